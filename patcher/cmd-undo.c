/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * undo, and recover, which undoes what was interrupted.
 */
#include "patcher/arena.h"
#include "patcher/command.h"
#include "patcher/commit.h"
#include "patcher/guest.h"
#include "patcher/plan-undo.h"
#include "patcher/report.h"

static gboolean
undo(const PatchCli *cli, const PatchGuest *guest, const PatchRecord *record, double timeout_s, GError **error)
{
    g_autoptr(PatchPlan) plan = patch_plan_undo(guest->kernel, record, error);
    PatchCommitReport report;

    if (!plan || !patch_commit(guest, plan, timeout_s, &report, error)) {
        g_prefix_error(error, "%s: ", vmm_machine_name(guest->machine));
        return FALSE;
    }
    patch_report_commit(cli, plan, vmm_machine_name(guest->machine), &report);
    return TRUE;
}

static gboolean
run_undo(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    double timeout_s = PATCH_DEFAULT_TIMEOUT_S;
    const GOptionEntry options[] = { PATCH_TIMEOUT_OPTION(&timeout_s), G_OPTION_ENTRY_NULL };
    g_autoptr(PatchGuest) guest = NULL;
    g_autoptr(PatchArena) arena = NULL;
    const PatchRecord *record;

    if (patch_cli_parse(&patch_cmd_undo, options, argc, argv, 2, 2, error) < 0)
        return FALSE;
    guest = patch_guest_open_running(argv[1], cli->uri, error);
    if (!guest)
        return FALSE;
    arena = patch_arena_open(guest->kernel, error);
    record = arena ? patch_arena_find(arena, argv[2], error) : NULL;
    return record && undo(cli, guest, record, timeout_s, error);
}

static gboolean
run_recover(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    g_autoptr(PatchGuest) guest = NULL;
    g_autoptr(PatchArena) arena = NULL;
    GPtrArray *records;
    guint n_recovered = 0;

    if (patch_cli_parse(&patch_cmd_recover, NULL, argc, argv, 1, 1, error) < 0)
        return FALSE;
    guest = patch_guest_open_running(argv[1], cli->uri, error);
    if (!guest)
        return FALSE;
    arena = patch_arena_open(guest->kernel, error);
    if (!arena)
        return FALSE;
    records = patch_arena_records(arena);
    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];

        if (record->state == PATCH_STATE_INSTALLED)
            continue;
        if (!undo(cli, guest, record, PATCH_DEFAULT_TIMEOUT_S, error))
            return FALSE;
        n_recovered++;
    }
    if (n_recovered == 0 && !cli->quiet)
        g_printerr("%s: nothing was interrupted\n", argv[1]);
    return TRUE;
}

const PatchCommand patch_cmd_undo = { "undo", "GUEST ID", "reverse an installed update", run_undo };

const PatchCommand patch_cmd_recover = {
    "recover", "GUEST", "roll back what an interrupted apply or undo left", run_recover
};
