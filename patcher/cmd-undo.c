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
#include "patcher/room.h"

typedef struct {
    PatchGuest *guest;
    PatchArena *arena;
    const char *id;             /* of the update to undo; NULL: all */
    gboolean no_log;            /* --no-log */
    gboolean keep_data;
} Job;

static void
job_clear(Job *job)
{
    g_clear_pointer(&job->arena, patch_arena_free);
    g_clear_pointer(&job->guest, patch_guest_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_clear)

static gboolean
look(Job *job, GError **error)
{
    g_clear_pointer(&job->arena, patch_arena_free);
    job->arena = patch_arena_open(job->guest->kernel, error);
    return job->arena != NULL;
}

static PatchPlan *
plan_recovery(gpointer data, GError **error)
{
    Job *job = data;

    return look(job, error) ? patch_plan_recover(job->guest->kernel, job->arena, NULL, error) : NULL;
}

static gboolean
report_it(const PatchCli *cli, const Job *job, const PatchPlan *plan, PatchReport *report, GError **error)
{
    if (!plan) {
        g_prefix_error(error, "%s: ", vmm_machine_name(job->guest->machine));
        return FALSE;
    }
    if (!job->no_log)
        patch_report_in_guest(cli, job->guest, plan, report);
    patch_report_commit(cli, plan, vmm_machine_name(job->guest->machine), report);
    return TRUE;
}

static gboolean
undo(const PatchCli *cli, const Job *job, double timeout_s, GError **error)
{
    g_auto(PatchReport) report = { .hooks = patch_hook_results_new() };
    const PatchStages stages = { job->guest, timeout_s, &report.commit, report.hooks };
    g_autoptr(PatchPlan) plan = patch_stages_undo(&stages, job->id, job->keep_data, error);

    return report_it(cli, job, plan, &report, error);
}

static gboolean
resume(const Job *job, GError **error)
{
    g_autoptr(VmmPause) pause = vmm_pause_begin(job->guest->machine, error);

    return pause && vmm_pause_end(g_steal_pointer(&pause), NULL, error);
}

/* A guest that was left stopped is put right before it runs; but for what its own kernel has to come to first. */
static gboolean
let_it_come_to_it(Job *job, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(PatchPlan) plan = job->guest->left_stopped ? plan_recovery(job, &failure) : NULL;

    if (!g_error_matches(failure, PATCH_ERROR, PATCH_ERROR_PASSING))
        return TRUE;
    job->guest->left_stopped = FALSE;
    return resume(job, error);
}

static gboolean
recover(const PatchCli *cli, Job *job, GError **error)
{
    g_auto(PatchReport) report = { .hooks = patch_hook_results_new() };
    g_autoptr(GError) failure = NULL;
    g_autoptr(PatchPlan) plan = NULL;

    if (let_it_come_to_it(job, error))
        plan = patch_commit_planned(job->guest, plan_recovery, job, PATCH_DEFAULT_TIMEOUT_S, &report.commit, &failure);
    if (g_error_matches(failure, PATCH_ERROR, PATCH_ERROR_NOT_NOW) && look(job, NULL) &&
        patch_hooks_end_left(job->guest, patch_arena_records(job->arena), &report.commit.others)) {
        g_clear_error(&failure);
        plan = patch_commit_planned(job->guest, plan_recovery, job, PATCH_DEFAULT_TIMEOUT_S, &report.commit, &failure);
    }
    if (plan && !vmm_machine_is_saved(job->guest->machine) &&
        !patch_room_give_back(job->guest, &report.commit.others, &failure))
        g_clear_pointer(&plan, patch_plan_free);
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    return report_it(cli, job, plan, &report, error);
}

static gboolean
run_undo(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    double timeout_s = PATCH_DEFAULT_TIMEOUT_S;
    g_auto(Job) job = { 0 };
    gboolean all = FALSE;
    const GOptionEntry options[] = {
        PATCH_TIMEOUT_OPTION(&timeout_s),
        { "all", 'a', 0, G_OPTION_ARG_NONE, &all, "all updates, in one go", NULL },
        PATCH_NO_LOG_OPTION(&job.no_log),
        { "keep-data", 'k', 0, G_OPTION_ARG_NONE, &job.keep_data,
          "leave data that the guest has changed since as they are now", NULL },
        G_OPTION_ENTRY_NULL
    };
    int n_arguments = patch_cli_parse(&patch_cmd_undo, options, argc, argv, 1, 2, error);

    if (n_arguments < 0)
        return FALSE;
    if (n_arguments != (all ? 1 : 2)) {
        g_set_error_literal(error, PATCH_ERROR, PATCH_ERROR_USAGE, "undo needs the id of an update, or --all");
        return FALSE;
    }
    *cli->event = patch_event_new("undo", argv[1]);
    patch_event_set_ids(*cli->event, all ? "" : argv[2]);
    job.id = all ? NULL : argv[2];
    job.guest = patch_guest_open_running(argv[1], cli->uri, error);
    if (!job.guest || !look(&job, error))
        return FALSE;
    if (all && patch_arena_records(job.arena)->len == 0) {
        if (!cli->quiet)
            g_printerr("%s: no update is installed\n", argv[1]);
        return TRUE;
    }
    return undo(cli, &job, timeout_s, error);
}

/* Nothing is to be done in GUEST but that. */
static gboolean
resume_if_left(const PatchCli *cli, const Job *job, const char *name, GError **error)
{
    if (job->guest->left_stopped && !resume(job, error)) {
        g_prefix_error(error, "%s: ", name);
        return FALSE;
    }
    if (!cli->quiet)
        g_printerr("%s: nothing was interrupted%s\n", name,
                   job->guest->left_stopped ? ", but the guest had been left stopped; it runs again" : "");
    return TRUE;
}

static gboolean
run_recover(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    g_auto(Job) job = { .no_log = TRUE };

    if (patch_cli_parse(&patch_cmd_recover, NULL, argc, argv, 1, 1, error) < 0)
        return FALSE;
    *cli->event = patch_event_new("recover", argv[1]);
    job.guest = patch_guest_open_to_recover(argv[1], cli->uri, error);
    if (!job.guest || !look(&job, error))
        return FALSE;
    if (patch_arena_check_settled(job.arena, NULL))
        return resume_if_left(cli, &job, argv[1], error);
    return recover(cli, &job, error);
}

const PatchCommand patch_cmd_undo = { "undo", "GUEST [ID]", "reverse an installed update, or all of them", run_undo };

const PatchCommand patch_cmd_recover = {
    "recover", "GUEST", "roll back what an interrupted apply or undo left, and resume the guest", run_recover
};
