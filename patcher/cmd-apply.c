/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check and apply, which differ in their last step only.
 */
#include "patcher/command.h"
#include "patcher/commit.h"
#include "patcher/guest.h"
#include "patcher/plan-apply.h"
#include "patcher/report.h"
#include "patcher/room.h"

#define DEFAULT_SETTLE_S 1.0
#define MAX_SETTLE_S 86400.0

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
    g_autoptr(PatchUpdateFile) update = patch_update_file_open(file, error);

    if (!update)
        return FALSE;
    if (*cli->event)
        patch_event_set_ids(*cli->event, update->id);
    job->guest = open_guest(name, cli->uri, error);
    job->update = job->guest ? patch_update_file_load(update, error) : NULL;
    return job->update != NULL;
}

/* With the regions, of PatchRoom, that the guest's allocator would have to give. */
static PatchPlan *
make_plan_with(Job *job, const GArray *regions, GError **error)
{
    g_clear_pointer(&job->arena, patch_arena_free);
    job->arena = patch_arena_open(job->guest->kernel, error);
    for (guint i = 0; job->arena && i < regions->len; i++)
        patch_arena_imagine(job->arena, &g_array_index(regions, PatchRoom, i));
    return job->arena ? patch_plan_apply(job->guest->kernel, job->arena, job->update, job->replace,
                                         PATCH_APPLY_AT_ONCE, error) : NULL;
}

static PatchPlan *
make_plan(Job *job, GError **error)
{
    g_autoptr(GArray) regions = g_array_new(FALSE, FALSE, sizeof(PatchRoom));

    for (;;) {
        g_autoptr(GError) failure = NULL;
        PatchPlan *plan = make_plan_with(job, regions, &failure);
        PatchRoom missing;

        if (plan)
            return plan;
        if (!g_error_matches(failure, PATCH_ERROR, PATCH_ERROR_NO_ROOM) || regions->len == job->update->objects->len) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return NULL;
        }
        if (!patch_room_check(job->guest->kernel, error)) {
            g_prefix_error(error, "%s: ", failure->message);
            return NULL;
        }
        missing = patch_arena_missing(job->arena);
        g_array_append_val(regions, missing);
    }
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

typedef struct {
    double timeout_s, settle_s;
    gboolean undo_on_oops;
} Options;

static gboolean
parse_apply(int argc, char **argv, Job *job, Options *chosen, GError **error)
{
    const GOptionEntry options[] = {
        PATCH_TIMEOUT_OPTION(&chosen->timeout_s), REPLACE_OPTION(&job->replace), PATCH_NO_LOG_OPTION(&job->no_log),
        { "settle", 's', 0, G_OPTION_ARG_DOUBLE, &chosen->settle_s,
          "how long to watch afterwards whether the guest is well (1; 0: not at all)", "SECONDS" },
        { "undo-on-oops", 'u', 0, G_OPTION_ARG_NONE, &chosen->undo_on_oops, "if it is not, take the update out again",
          NULL },
        G_OPTION_ENTRY_NULL
    };

    *chosen = (Options) { PATCH_DEFAULT_TIMEOUT_S, DEFAULT_SETTLE_S, FALSE };
    if (patch_cli_parse(&patch_cmd_apply, options, argc, argv, 2, 2, error) < 0)
        return FALSE;
    if (!(chosen->settle_s >= 0 && chosen->settle_s <= MAX_SETTLE_S)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "--settle takes 0 to %.0f seconds", MAX_SETTLE_S);
        return FALSE;
    }
    if (!chosen->undo_on_oops || (chosen->settle_s > 0 && !job->replace))
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "--undo-on-oops does not go with %s", job->replace
                ? "--replace: what that takes out could not be put back" : "--settle 0: nobody watches");
    return FALSE;
}

static gboolean
undo(const PatchCli *cli, const Job *job, double timeout_s, GError **error)
{
    g_auto(PatchReport) report = { .hooks = patch_hook_results_new() };
    const PatchStages stages = { job->guest, timeout_s, &report.commit, report.hooks };
    g_autoptr(PatchPlan) plan = patch_stages_undo(&stages, job->update->id, FALSE, error);

    if (plan && !job->no_log)
        patch_report_in_guest(cli, job->guest, plan, &report);
    return plan != NULL;
}

/* Always FALSE: applied or not, this has not gone well. */
static gboolean
set_not_well(const PatchCli *cli, const Job *job, const Options *chosen, PatchWatchReport *watched, GError **error)
{
    g_autoptr(GError) failure = NULL;

    watched->undone = chosen->undo_on_oops && watched->runs && undo(cli, job, chosen->timeout_s, &failure);
    if (watched->undone)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED,
                    "update %s was applied, and taken out again since the guest was not well with it: %s",
                    job->update->id, watched->seen);
    else if (failure)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_WELL,
                    "update %s is applied, and the guest has not been well since: %s; it could not be taken out again: "
                    "%s", job->update->id, watched->seen, failure->message);
    else
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_WELL,
                    "update %s is applied, and the guest has not been well since: %s%s", job->update->id, watched->seen,
                    watched->runs ? "; undo takes it out again" : "");
    return FALSE;
}

/* PLAN was executed. Text for people comes at once, the object for programs when all is known. The guest is to write into its log
 * only when it has been seen to be well: what it is told to run and cannot is in the way of undo. */
static gboolean
finish_apply(const PatchCli *cli, const Job *job, const Options *chosen, const PatchPlan *plan, PatchReport *report,
             PatchWatch *watch, GError **error)
{
    const char *name = vmm_machine_name(job->guest->machine);
    g_auto(PatchWatchReport) watched = { PATCH_HEALTH_WELL };
    gboolean is_well;

    if (!cli->json)
        patch_report_commit(cli, plan, name, report);
    if (watch)
        patch_watch_settle(watch, plan->records->pdata[0], chosen->settle_s, &watched);
    is_well = watched.health != PATCH_HEALTH_ILL || set_not_well(cli, job, chosen, &watched, error);
    if (is_well && !job->no_log)
        patch_report_in_guest(cli, job->guest, plan, report);
    report->watched = watch ? &watched : NULL;
    if (cli->json)
        patch_report_commit(cli, plan, name, report);
    else if (watch && is_well)
        patch_report_watch(cli, name, &watched);
    return is_well;
}

static gboolean
run_apply(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    g_auto(Job) job = { 0 };
    Options chosen;
    g_auto(PatchReport) report = { .hooks = patch_hook_results_new() };
    PatchStages stages = { .report = &report.commit, .hooks = report.hooks };
    g_autoptr(PatchWatch) watch = NULL;
    g_autoptr(PatchPlan) plan = NULL;

    if (!parse_apply(argc, argv, &job, &chosen, error))
        return FALSE;
    *cli->event = patch_event_new("apply", argv[1]);
    if (!prepare(cli, argv[1], argv[2], patch_guest_open_running, &job, error))
        return FALSE;
    stages.guest = job.guest;
    stages.timeout_s = chosen.timeout_s;
    if (chosen.settle_s == 0 || vmm_machine_is_saved(job.guest->machine) || (watch = patch_watch_new(job.guest, error)))
        plan = patch_stages_apply(&stages, job.update, job.replace, error);
    if (!plan || !finish_apply(cli, &job, &chosen, plan, &report, watch, error)) {
        g_prefix_error(error, "%s: ", argv[1]);
        return FALSE;
    }
    return TRUE;
}

const PatchCommand patch_cmd_check = {
    "check", "GUEST UPDATE", "everything that apply does, short of changing the guest", run_check
};

const PatchCommand patch_cmd_apply = { "apply", "GUEST UPDATE", "apply an update; prints its id", run_apply };
