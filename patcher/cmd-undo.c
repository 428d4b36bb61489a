/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * undo, and recover, which undoes what was interrupted.
 */
#include "patcher/arena.h"
#include "patcher/command.h"
#include "patcher/commit.h"
#include "patcher/error.h"
#include "patcher/guest.h"
#include "patcher/plan-undo.h"
#include "patcher/report.h"

/* Takes PLAN over; it may be NULL. */
static gboolean
execute(const PatchCli *cli, const PatchGuest *guest, PatchPlan *plan, double timeout_s, GError **error)
{
    g_autoptr(PatchPlan) owned = plan;
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
    gboolean all = FALSE;
    const GOptionEntry options[] = {
        PATCH_TIMEOUT_OPTION(&timeout_s),
        { "all", 'a', 0, G_OPTION_ARG_NONE, &all, "all updates, in one go", NULL },
        G_OPTION_ENTRY_NULL
    };
    g_autoptr(PatchGuest) guest = NULL;
    g_autoptr(PatchArena) arena = NULL;
    int n_arguments = patch_cli_parse(&patch_cmd_undo, options, argc, argv, 1, 2, error);

    if (n_arguments < 0)
        return FALSE;
    if (n_arguments != (all ? 1 : 2)) {
        g_set_error_literal(error, PATCH_ERROR, PATCH_ERROR_USAGE, "undo needs the id of an update, or --all");
        return FALSE;
    }
    *cli->event = patch_event_new("undo", argv[1]);
    patch_event_set_ids(*cli->event, all ? "" : argv[2]);
    guest = patch_guest_open_running(argv[1], cli->uri, error);
    arena = guest ? patch_arena_open(guest->kernel, error) : NULL;
    if (!arena)
        return FALSE;
    if (all && patch_arena_records(arena)->len == 0) {
        if (!cli->quiet)
            g_printerr("%s: no update is installed\n", argv[1]);
        return TRUE;
    }
    return execute(cli, guest, patch_plan_undo(guest->kernel, arena, all ? NULL : argv[2], error), timeout_s, error);
}

static gboolean
run_recover(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    g_autoptr(PatchGuest) guest = NULL;
    g_autoptr(PatchArena) arena = NULL;

    if (patch_cli_parse(&patch_cmd_recover, NULL, argc, argv, 1, 1, error) < 0)
        return FALSE;
    *cli->event = patch_event_new("recover", argv[1]);
    guest = patch_guest_open_running(argv[1], cli->uri, error);
    arena = guest ? patch_arena_open(guest->kernel, error) : NULL;
    if (!arena)
        return FALSE;
    if (patch_arena_check_settled(arena, NULL)) {
        if (!cli->quiet)
            g_printerr("%s: nothing was interrupted\n", argv[1]);
        return TRUE;
    }
    return execute(cli, guest, patch_plan_recover(guest->kernel, arena, error), PATCH_DEFAULT_TIMEOUT_S, error);
}

const PatchCommand patch_cmd_undo = { "undo", "GUEST [ID]", "reverse an installed update, or all of them", run_undo };

const PatchCommand patch_cmd_recover = {
    "recover", "GUEST", "roll back what an interrupted apply or undo left", run_recover
};
