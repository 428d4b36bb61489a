/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/stages.h"

#include "patcher/error.h"
#include "patcher/jumps.h"
#include "patcher/plan-apply.h"
#include "patcher/plan-undo.h"

/* What a hook that does not end would keep from being taken out. */
#define TAKE_OUT_TIMEOUT_S 2.0

typedef struct {
    const PatchStages *stages;
    PatchArena *arena;          /* of the last plan */
    const PatchUpdate *update;  /* to apply, */
    gboolean replace;
    PatchApplyStage apply;
    const char *id;             /* or to undo: NULL for all */
    PatchUndoStage undo;
    gboolean keep_data;
} Job;

static void
job_clear(Job *job)
{
    g_clear_pointer(&job->arena, patch_arena_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_clear)

static gboolean
look(Job *job, GError **error)
{
    g_clear_pointer(&job->arena, patch_arena_free);
    job->arena = patch_arena_open(job->stages->guest->kernel, error);
    return job->arena != NULL;
}

static PatchPlan *
plan_apply(gpointer data, GError **error)
{
    Job *job = data;

    return look(job, error) ? patch_plan_apply(job->stages->guest->kernel, job->arena, job->update, job->replace,
                                               job->apply, error) : NULL;
}

static PatchPlan *
plan_undo(gpointer data, GError **error)
{
    Job *job = data;

    return look(job, error) ? patch_plan_undo(job->stages->guest->kernel, job->arena, job->id, job->undo, job->keep_data,
                                              error) : NULL;
}

static PatchPlan *
plan_rest(gpointer data, GError **error)
{
    Job *job = data;

    return look(job, error) ? patch_plan_recover(job->stages->guest->kernel, job->arena, job->id, error) : NULL;
}

static PatchPlan *
commit(Job *job, PatchPlanner planner, GError **error)
{
    const PatchStages *stages = job->stages;

    return patch_commit_planned(stages->guest, planner, job, stages->timeout_s, stages->report, error);
}

static gboolean
run_hooks(const Job *job, const GPtrArray *records, PatchHookKind kind, GError **error)
{
    return patch_hooks_run(job->stages->guest, records, kind, job->stages->hooks, &job->stages->report->others, error);
}

/* What does not get away at once is left to recover. */
static void
take_out(Job *job, const char *id)
{
    const PatchStages *stages = job->stages;
    g_autoptr(GError) failure = NULL;
    g_autoptr(PatchPlan) plan = NULL;

    job->id = id;
    plan = patch_commit_aside(stages->guest, plan_rest, job, TAKE_OUT_TIMEOUT_S, &stages->report->others, &failure);
    if (!plan)
        g_warning("the update's code could not be taken out of the guest yet (%s); recover does that",
                  failure->message);
}

/* ---- Apply ---- */

static gboolean
update_has_hooks(const PatchUpdate *update)
{
    for (guint i = 0; i < update->objects->len; i++)
        if (((const PatchObject *) update->objects->pdata[i])->hooks->len > 0)
            return TRUE;
    return FALSE;
}

/* Before any hook is run, all that can be known beforehand is; what only passes will be waited for. */
static gboolean
would_fit(Job *job, PatchPlanner planner, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(PatchPlan) plan = planner(job, &failure);

    if (plan || g_error_matches(failure, PATCH_ERROR, PATCH_ERROR_PASSING))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

/* What one has begun that has faulted, or goes on, nobody can put right. */
static gboolean
have_all_returned(const GPtrArray *hooks)
{
    for (guint i = 0; i < hooks->len; i++)
        if (((const PatchHookResult *) hooks->pdata[i])->failure)
            return FALSE;
    return TRUE;
}

static PatchPlan *
switch_over(Job *job, const GPtrArray *placed, GError **error)
{
    g_autoptr(PatchPlan) plan = NULL;

    if (run_hooks(job, placed, PATCH_HOOK_PRE_APPLY, error)) {
        job->apply = PATCH_APPLY_SWITCH;
        plan = commit(job, plan_apply, error);
    }
    if (plan)
        run_hooks(job, plan->records, PATCH_HOOK_POST_APPLY, NULL);
    else if (have_all_returned(job->stages->hooks))
        run_hooks(job, placed, PATCH_HOOK_POST_UNDO, NULL);
    return g_steal_pointer(&plan);
}

PatchPlan *
patch_stages_apply(const PatchStages *stages, const PatchUpdate *update, gboolean replace, GError **error)
{
    g_auto(Job) job = { .stages = stages, .update = update, .replace = replace };
    g_autoptr(PatchPlan) placed = NULL, plan = NULL;

    if (!update_has_hooks(update))
        return commit(&job, plan_apply, error);
    if (!would_fit(&job, plan_apply, error))
        return NULL;
    job.apply = PATCH_APPLY_PLACE;
    placed = patch_commit_aside(stages->guest, plan_apply, &job, stages->timeout_s, &stages->report->others, error);
    if (!placed)
        return NULL;
    plan = switch_over(&job, placed->records, error);
    if (!plan)
        take_out(&job, update->id);
    return g_steal_pointer(&plan);
}

/* ---- Undo ---- */

/* Those that have hooks to run; what went with its module has none any more. */
static GPtrArray *
find_hooked(const Job *job)
{
    GPtrArray *hooked = g_ptr_array_new_with_free_func((GDestroyNotify) patch_record_unref);
    GPtrArray *all = patch_arena_records(job->arena);

    for (guint i = 0; i < all->len; i++) {
        const PatchRecord *record = all->pdata[i];

        if (record->hooks->len > 0 && (!job->id || g_str_equal(record->id, job->id)) &&
            !patch_record_is_gone(job->stages->guest->kernel, job->arena, record))
            g_ptr_array_add(hooked, patch_record_ref(record));
    }
    return hooked;
}

PatchPlan *
patch_stages_undo(const PatchStages *stages, const char *id, gboolean keep_data, GError **error)
{
    g_auto(Job) job = { .stages = stages, .id = id, .keep_data = keep_data };
    g_autoptr(GPtrArray) hooked = NULL;
    g_autoptr(PatchPlan) plan = NULL;

    if (!look(&job, error))
        return NULL;
    hooked = find_hooked(&job);
    if (hooked->len == 0)
        return commit(&job, plan_undo, error);
    if (!would_fit(&job, plan_undo, error) || !run_hooks(&job, hooked, PATCH_HOOK_PRE_UNDO, error))
        return NULL;
    job.undo = PATCH_UNDO_SWITCH;
    plan = commit(&job, plan_undo, error);
    if (plan) {
        run_hooks(&job, hooked, PATCH_HOOK_POST_UNDO, NULL);
        take_out(&job, id);
    }
    return g_steal_pointer(&plan);
}
