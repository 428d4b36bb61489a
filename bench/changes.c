/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * changes GUEST UPDATE [ROUNDS]: for how long the guest stands still in an empty pause, in one that applies UPDATE, and in
 * one that undoes it, measured in turn.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/table.h"
#include "patcher/commit.h"
#include "patcher/error.h"
#include "patcher/guest.h"
#include "patcher/plan-apply.h"
#include "patcher/plan-undo.h"

#define DEFAULT_ROUNDS 50
#define TIMEOUT_S 30

/* For how long the guest has stood still in all, and in how many pauses. */
static PatchPauses all_pauses;

/* How often the guest's kernel was in the middle of something. */
static guint n_passing;

static void
count_pause(guint64 stood_ns)
{
    const PatchPauses pause = { 1, stood_ns, stood_ns };

    patch_pauses_add(&all_pauses, &pause);
}

static gboolean
empty_pause(const PatchGuest *guest, BenchRow *row, GError **error)
{
    VmmPause *pause = vmm_pause_begin(guest->machine, error);
    guint64 stood_ns;

    if (!pause || !vmm_pause_end(pause, &stood_ns, error))
        return FALSE;
    bench_add(row, stood_ns / 1e6);
    count_pause(stood_ns);
    return TRUE;
}

/* What a change of the guest cost it. */
typedef struct {
    BenchRow stood, looked, wrote;   /* the pause, and what of it went to stacks and to memory */
} Change;

static Change
new_change(const char *stood, const char *looked, const char *wrote)
{
    return (Change) { bench_row(stood), bench_row(looked), bench_row(wrote) };
}

static void
add_change(Change *change, const PatchCommitReport *report)
{
    bench_add(&change->stood, report->stood_ns / 1e6);
    bench_add(&change->looked, report->look_ns / 1e6);
    bench_add(&change->wrote, report->write_ns / 1e6);
    count_pause(report->stood_ns);
    patch_pauses_add(&all_pauses, &report->tries);
    patch_pauses_add(&all_pauses, &report->others);
}

static void
print_change(Change *change)
{
    bench_print(&change->stood, "ms");
    bench_print(&change->looked, "ms");
    bench_print(&change->wrote, "ms");
}

static gboolean
apply(const PatchGuest *guest, const PatchUpdate *update, Change *change, GError **error)
{
    g_autoptr(PatchArena) arena = patch_arena_open(guest->kernel, error);
    g_autoptr(PatchPlan) plan = arena ? patch_plan_apply(guest->kernel, arena, update, FALSE, PATCH_APPLY_AT_ONCE, error) : NULL;
    PatchCommitReport report = { 0 };

    if (!plan || !patch_commit(guest, plan, TIMEOUT_S, &report, error))
        return FALSE;
    add_change(change, &report);
    return TRUE;
}

static gboolean
try_to_undo(const PatchGuest *guest, const PatchUpdate *update, Change *change, GError **error)
{
    g_autoptr(PatchArena) arena = patch_arena_open(guest->kernel, error);
    g_autoptr(PatchPlan) plan = arena ? patch_plan_undo(guest->kernel, arena, update->id, PATCH_UNDO_AT_ONCE, FALSE, error) : NULL;
    PatchCommitReport report = { 0 };

    if (!plan || !patch_commit(guest, plan, TIMEOUT_S, &report, error))
        return FALSE;
    add_change(change, &report);
    return TRUE;
}

/* What only passes is waited for, as the tool does. */
static gboolean
undo(const PatchGuest *guest, const PatchUpdate *update, Change *change, GError **error)
{
    g_autoptr(GError) failure = NULL;

    while (!try_to_undo(guest, update, change, &failure)) {
        if (!g_error_matches(failure, PATCH_ERROR, PATCH_ERROR_PASSING)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        g_clear_error(&failure);
        n_passing++;
    }
    return TRUE;
}

static gboolean
bench_pauses(const PatchGuest *guest, const PatchUpdate *update, int rounds, GError **error)
{
    BenchRow empty = bench_row("empty pause");
    Change applied = new_change("pause of apply", "  of it, to look at stacks", "  of it, to write and read back");
    Change undone = new_change("pause of undo", "  of it, to look at stacks", "  of it, to write and read back");
    double base;

    for (int i = 0; i < rounds; i++)
        if (!empty_pause(guest, &empty, error) || !apply(guest, update, &applied, error) ||
            !undo(guest, update, &undone, error))
            return FALSE;
    bench_print(&empty, "ms");
    print_change(&applied);
    print_change(&undone);
    base = bench_median(&empty);
    printf("median of apply is %.2f times that of an empty pause, of undo %.2f times\n",
           bench_median(&applied.stood) / base, bench_median(&undone.stood) / base);
    printf("%u times more it was in the middle of something, and undo had to come again\n", n_passing);
    printf("in %u pauses, preparing and cleaning among them, the guest stood still for %.1f ms\n", all_pauses.n,
           all_pauses.total_ns / 1e6);
    return TRUE;
}

int
main(int argc, char **argv)
{
    int rounds = argc > 3 ? atoi(argv[3]) : DEFAULT_ROUNDS;
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchUpdate) update = NULL;
    g_autoptr(PatchGuest) guest = NULL;

    if (argc < 3 || rounds < 1) {
        fprintf(stderr, "usage: changes GUEST UPDATE [ROUNDS]\n");
        return 2;
    }
    update = patch_update_read_file(argv[2], &error);
    guest = update ? patch_guest_open_running(argv[1], NULL, &error) : NULL;
    bench_print_head();
    if (!guest || !bench_pauses(guest, update, rounds, &error)) {
        fprintf(stderr, "changes: %s\n", error->message);
        return 1;
    }
    return 0;
}
