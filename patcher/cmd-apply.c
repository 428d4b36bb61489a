/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check and apply, which differ in their last step only.
 */
#include "patcher/command.h"
#include "patcher/commit.h"
#include "patcher/guest.h"
#include "patcher/plan-apply.h"
#include "patcher/report.h"

#define REPLACE_OPTION(variable) \
    { "replace", 'r', 0, G_OPTION_ARG_NONE, (variable), "take all other updates out in the same go", NULL }

typedef struct {
    gboolean replace;           /* --replace */
    gboolean no_log;            /* --no-log */
    PatchUpdate *update;
    PatchGuest *guest;
    PatchArena *arena;
} Job;

static void
job_clear(Job *job)
{
    g_clear_pointer(&job->arena, patch_arena_free);
    g_clear_pointer(&job->guest, patch_guest_free);
    g_clear_pointer(&job->update, patch_update_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_clear)

typedef PatchGuest *(*OpenGuest)(const char *name, const char *uri, GError **error);

static gboolean
prepare(const PatchCli *cli, const char *name, const char *file, OpenGuest open_guest, Job *job, GError **error)
{
    job->update = patch_update_read_file(file, error);
    if (!job->update)
        return FALSE;
    if (*cli->event)
        patch_event_set_ids(*cli->event, job->update->id);
    job->guest = open_guest(name, cli->uri, error);
    return job->guest != NULL;
}

static PatchPlan *
make_plan(gpointer data, GError **error)
{
    Job *job = data;

    g_clear_pointer(&job->arena, patch_arena_free);
    job->arena = patch_arena_open(job->guest->kernel, error);
    return job->arena ? patch_plan_apply(job->guest->kernel, job->arena, job->update, job->replace,
                                          PATCH_APPLY_AT_ONCE, error) : NULL;
}

static gboolean
run_check(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    g_auto(Job) job = { 0 };
    const GOptionEntry options[] = { REPLACE_OPTION(&job.replace), G_OPTION_ENTRY_NULL };
    g_autoptr(PatchPlan) plan = NULL;

    if (patch_cli_parse(&patch_cmd_check, options, argc, argv, 2, 2, error) < 0 ||
        !prepare(cli, argv[1], argv[2], patch_guest_open_to_check, &job, error))
        return FALSE;
    plan = make_plan(&job, error);
    if (!plan || !patch_commit_rehearse(job.guest, plan, error)) {
        g_prefix_error(error, "%s: ", argv[1]);
        return FALSE;
    }
    patch_report_plan(cli, plan, vmm_machine_name(job.guest->machine));
    return TRUE;
}

static gboolean
run_apply(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    double timeout_s = PATCH_DEFAULT_TIMEOUT_S;
    g_auto(Job) job = { 0 };
    const GOptionEntry options[] = {
        PATCH_TIMEOUT_OPTION(&timeout_s), REPLACE_OPTION(&job.replace), PATCH_NO_LOG_OPTION(&job.no_log), G_OPTION_ENTRY_NULL
    };
    g_auto(PatchReport) report = { .hooks = patch_hook_results_new() };
    PatchStages stages = { .report = &report.commit, .hooks = report.hooks };
    g_autoptr(PatchPlan) plan = NULL;

    if (patch_cli_parse(&patch_cmd_apply, options, argc, argv, 2, 2, error) < 0)
        return FALSE;
    *cli->event = patch_event_new("apply", argv[1]);
    if (!prepare(cli, argv[1], argv[2], patch_guest_open_running, &job, error))
        return FALSE;
    stages.guest = job.guest;
    stages.timeout_s = timeout_s;
    plan = patch_stages_apply(&stages, job.update, job.replace, error);
    if (!plan) {
        g_prefix_error(error, "%s: ", argv[1]);
        return FALSE;
    }
    if (!job.no_log)
        patch_report_in_guest(cli, job.guest, plan, &report);
    patch_report_commit(cli, plan, vmm_machine_name(job.guest->machine), &report);
    return TRUE;
}

const PatchCommand patch_cmd_check = {
    "check", "GUEST UPDATE", "everything that apply does, short of changing the guest", run_check
};

const PatchCommand patch_cmd_apply = { "apply", "GUEST UPDATE", "apply an update; prints its id", run_apply };
