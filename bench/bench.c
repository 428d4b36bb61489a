/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench GUEST UPDATE [ROUNDS]: what the tool costs a running guest, each figure beside something measured in turn with it.
 *
 * Pauses: an empty one, one that applies UPDATE and one that undoes it, in every round. Attaching: finding the kernel with
 * all its symbols, beside a plain copy of as many bytes of guest memory; and tasks with their stacks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "introspect/stack.h"
#include "introspect/tasks.h"
#include "patcher/commit.h"
#include "patcher/guest.h"
#include "patcher/plan-apply.h"
#include "patcher/plan-undo.h"

#define DEFAULT_ROUNDS 50
#define TIMEOUT_S 30
#define PIECE_BYTES 4096

typedef struct {
    const char *name;
    GArray *samples;            /* of double */
} Row;

static gint
compare_doubles(gconstpointer a, gconstpointer b)
{
    double one = *(const double *) a, other = *(const double *) b;

    return (one > other) - (one < other);
}

static double
percentile(GArray *samples, guint percent)
{
    return g_array_index(samples, double, (samples->len - 1) * percent / 100);
}

static void
print_row(Row *row, const char *unit)
{
    g_array_sort(row->samples, compare_doubles);
    printf("%-34s %9.3f %9.3f %9.3f %9.3f %s\n", row->name, percentile(row->samples, 0), percentile(row->samples, 50),
           percentile(row->samples, 99), percentile(row->samples, 100), unit);
}

static void
add(Row *row, double sample)
{
    g_array_append_val(row->samples, sample);
}

static Row
new_row(const char *name)
{
    return (Row) { name, g_array_new(FALSE, FALSE, sizeof(double)) };
}

static double
cpu_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static gboolean
empty_pause(const PatchGuest *guest, Row *row, GError **error)
{
    VmmPause *pause = vmm_pause_begin(guest->machine, error);
    guint64 stood_ns;

    if (!pause || !vmm_pause_end(pause, &stood_ns, error))
        return FALSE;
    add(row, stood_ns / 1e6);
    return TRUE;
}

/* What a change of the guest cost it. */
typedef struct {
    Row stood, looked, wrote;   /* the pause, and what of it went to stacks and to memory */
} Change;

static Change
new_change(const char *stood, const char *looked, const char *wrote)
{
    return (Change) { new_row(stood), new_row(looked), new_row(wrote) };
}

static void
add_change(Change *change, const PatchCommitReport *report)
{
    add(&change->stood, report->stood_ns / 1e6);
    add(&change->looked, report->look_ns / 1e6);
    add(&change->wrote, report->write_ns / 1e6);
}

static void
print_change(Change *change)
{
    print_row(&change->stood, "ms");
    print_row(&change->looked, "ms");
    print_row(&change->wrote, "ms");
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
undo(const PatchGuest *guest, const PatchUpdate *update, Change *change, GError **error)
{
    g_autoptr(PatchArena) arena = patch_arena_open(guest->kernel, error);
    g_autoptr(PatchPlan) plan = arena ? patch_plan_undo(guest->kernel, arena, update->id, PATCH_UNDO_AT_ONCE, FALSE, error) : NULL;
    PatchCommitReport report = { 0 };

    if (!plan || !patch_commit(guest, plan, TIMEOUT_S, &report, error))
        return FALSE;
    add_change(change, &report);
    return TRUE;
}

static gboolean
bench_pauses(const PatchGuest *guest, const PatchUpdate *update, int rounds, GError **error)
{
    Row empty = new_row("empty pause");
    Change applied = new_change("pause of apply", "  of it, to look at stacks", "  of it, to write and read back");
    Change undone = new_change("pause of undo", "  of it, to look at stacks", "  of it, to write and read back");
    double base;

    for (int i = 0; i < rounds; i++)
        if (!empty_pause(guest, &empty, error) || !apply(guest, update, &applied, error) ||
            !undo(guest, update, &undone, error))
            return FALSE;
    print_row(&empty, "ms");
    print_change(&applied);
    print_change(&undone);
    base = percentile(empty.samples, 50);
    printf("median of apply is %.2f times that of an empty pause, of undo %.2f times\n",
           percentile(applied.stood.samples, 50) / base, percentile(undone.stood.samples, 50) / base);
    return TRUE;
}

/* How many bytes this process has read so far, out of guests most of all. */
static guint64
bytes_read(void)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents("/proc/self/io", &text, NULL, NULL))
        return 0;
    return g_ascii_strtoull(text + strlen("rchar: "), NULL, 10);
}

/* BYTES of guest memory, in pieces of which as many as there may be are read by one process_vm_readv. */
static gboolean
copy_plainly(const VmmReader *reader, guint8 *buffer, gsize bytes, GError **error)
{
    guint n_ranges;
    const VmmRange *ranges = vmm_reader_ranges(reader, &n_ranges);
    const VmmRange *last = &ranges[n_ranges - 1];
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE, sizeof(VmmExtent));

    for (gsize at = 0; at < bytes && at + PIECE_BYTES <= last->length; at += PIECE_BYTES) {
        VmmExtent extent = { guest_pa_add(last->start, at), buffer + at, PIECE_BYTES };

        g_array_append_val(extents, extent);
    }
    return vmm_read_extents(reader, (const VmmExtent *) extents->data, extents->len, error);
}

static gboolean
bench_attach(const PatchGuest *guest, int rounds, GError **error)
{
    Row attached = new_row("attach with all symbols, CPU"), copied = new_row("process_vm_readv of as much, CPU");
    const VmmReader *reader = vmm_machine_reader(guest->machine);
    g_autofree guint8 *buffer = NULL;
    guint64 bytes = 0;

    for (int i = 0; i < rounds; i++) {
        guint64 before = bytes_read();
        double start = cpu_ms();
        g_autoptr(IntroKernel) kernel = intro_kernel_attach(reader, error);

        if (!kernel)
            return FALSE;
        add(&attached, cpu_ms() - start);
        bytes = bytes_read() - before;
        if (!buffer)
            buffer = g_malloc0(bytes + PIECE_BYTES);
        start = cpu_ms();
        if (!copy_plainly(reader, buffer, bytes, error))
            return FALSE;
        add(&copied, cpu_ms() - start);
    }
    print_row(&attached, "ms");
    print_row(&copied, "ms");
    printf("attaching reads %.1f MiB, and takes %.1f ms of CPU beyond copying them (median)\n",
           bytes / 1048576.0, percentile(attached.samples, 50) - percentile(copied.samples, 50));
    return TRUE;
}

static gboolean
bench_stacks(const PatchGuest *guest, int rounds, GError **error)
{
    Row listed = new_row("list of all tasks"), unwound = new_row("one task's stack"),
        all = new_row("all tasks' stacks, CPU");
    guint n_tasks = 0;

    for (int i = 0; i < rounds; i++) {
        gint64 start = g_get_monotonic_time();
        g_autoptr(GPtrArray) tasks = intro_tasks(guest->kernel, error);
        double cpu_start;

        if (!tasks)
            return FALSE;
        add(&listed, g_get_monotonic_time() - start);
        n_tasks = tasks->len;
        cpu_start = cpu_ms();
        for (guint t = 0; t < tasks->len; t++) {
            const IntroTask *task = tasks->pdata[t];
            g_autoptr(IntroStack) stack = NULL;

            start = g_get_monotonic_time();
            stack = task->on_cpu || !task->stack ? NULL : intro_stack_of_task(guest->kernel, task, NULL);
            if (stack)
                add(&unwound, g_get_monotonic_time() - start);
        }
        add(&all, cpu_ms() - cpu_start);
    }
    print_row(&listed, "us");
    print_row(&unwound, "us");
    print_row(&all, "ms");
    printf("(%u tasks)\n", n_tasks);
    return TRUE;
}

static void
print_memory(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    printf("most memory used: %.0f MiB\n", usage.ru_maxrss / 1024.0);
}

int
main(int argc, char **argv)
{
    int rounds = argc > 3 ? atoi(argv[3]) : DEFAULT_ROUNDS;
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchUpdate) update = NULL;
    g_autoptr(PatchGuest) guest = NULL;

    if (argc < 3 || rounds < 1) {
        fprintf(stderr, "usage: bench GUEST UPDATE [ROUNDS]\n");
        return 2;
    }
    update = patch_update_read_file(argv[2], &error);
    guest = update ? patch_guest_open_running(argv[1], NULL, &error) : NULL;
    printf("%-34s %9s %9s %9s %9s\n", "", "min", "p50", "p99", "max");
    if (!guest || !bench_attach(guest, rounds, &error) || !bench_stacks(guest, rounds, &error) ||
        !bench_pauses(guest, update, rounds, &error)) {
        fprintf(stderr, "bench: %s\n", error->message);
        return 1;
    }
    print_memory();
    return 0;
}
