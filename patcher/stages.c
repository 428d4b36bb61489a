/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/stages.h"

#include "patcher/error.h"
#include "patcher/jumps.h"
#include "patcher/plan-apply.h"
#include "patcher/plan-undo.h"
#include "patcher/room.h"

/* What a hook that does not end would keep from being taken out. */
#define TAKE_OUT_TIMEOUT_S 2.0

/* Of one apply: a block for vmlinux and for each module, some of which may need more room than was thought. */
#define MAX_REGIONS 1024

typedef struct {
    const PatchStages *stages;
    PatchArena *arena;          /* of the last plan */
    GArray *regions;            /* of GuestVa: what the guest's allocator has given for this */
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
    g_clear_pointer(&job->regions, g_array_unref);
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

    if (!look(job, error))
        return NULL;
    for (guint i = 0; i < job->regions->len; i++)
        patch_arena_offer(job->arena, g_array_index(job->regions, GuestVa, i));
    return patch_plan_apply(job->stages->guest->kernel, job->arena, job->update, job->replace, job->apply, error);
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

/* ---- Room ---- */

/* What the last plan had no room for. */
static gboolean
get_region(Job *job, GError **error)
{
    const PatchStages *stages = job->stages;
    const PatchRoom room = patch_arena_missing(job->arena);
    GuestVa va;

    if (!patch_room_get(stages->guest, job->update->id, &room, &stages->report->others, &va, error)) {
        g_prefix_error(error, "the guest's kernel image has no unused room of %" G_GUINT64_FORMAT " bytes for new code and %"
                       G_GUINT64_FORMAT " for new data, and none could be got for it: ", room.text_bytes, room.data_bytes);
        return FALSE;
    }
    g_array_append_val(job->regions, va);
    return TRUE;
}

/* FAILURE is of a plan: TRUE, without it, if there is room for another one now. */
static gboolean
makes_room(Job *job, GError **failure)
{
    if (!g_error_matches(*failure, PATCH_ERROR, PATCH_ERROR_NO_ROOM) || job->regions->len >= MAX_REGIONS)
        return FALSE;
    g_clear_error(failure);
    return get_region(job, failure);
}

static gboolean
has_region(const GPtrArray *records)
{
    for (guint i = 0; i < records->len; i++)
        if (((const PatchRecord *) records->pdata[i])->region_bytes > 0)
            return TRUE;
    return FALSE;
}

/* What is not given back now is left to recover. */
static void
give_back(const PatchStages *stages)
{
    g_autoptr(GError) failure = NULL;

    if (!vmm_machine_is_saved(stages->guest->machine) &&
        !patch_room_give_back(stages->guest, &stages->report->others, &failure))
        g_warning("the guest's memory that the update was in could not be given back yet (%s); recover does that",
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

    while (!plan && makes_room(job, &failure))
        plan = planner(job, &failure);
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

/* Nothing calls the new functions any more. What a hook may still use is not released under it. */
static void
run_last_hooks(const Job *job, const GPtrArray *records)
{
    run_hooks(job, records, PATCH_HOOK_POST_UNDO, NULL);
    if (have_all_returned(job->stages->hooks))
        run_hooks(job, records, PATCH_HOOK_RELEASE, NULL);
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
        run_last_hooks(job, placed);
    return g_steal_pointer(&plan);
}

static PatchPlan *
apply_at_once(Job *job, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(PatchPlan) plan = commit(job, plan_apply, &failure);

    while (!plan && makes_room(job, &failure))
        plan = commit(job, plan_apply, &failure);
    if (!plan)
        g_propagate_error(error, g_steal_pointer(&failure));
    return g_steal_pointer(&plan);
}

static PatchPlan *
apply_with_hooks(Job *job, GError **error)
{
    const PatchStages *stages = job->stages;
    g_autoptr(PatchPlan) placed = NULL, plan = NULL;

    if (!would_fit(job, plan_apply, error))
        return NULL;
    job->apply = PATCH_APPLY_PLACE;
    placed = patch_commit_aside(stages->guest, plan_apply, job, stages->timeout_s, &stages->report->others, error);
    if (!placed)
        return NULL;
    plan = switch_over(job, placed->records, error);
    if (!plan)
        take_out(job, job->update->id);
    return g_steal_pointer(&plan);
}

PatchPlan *
patch_stages_apply(const PatchStages *stages, const PatchUpdate *update, gboolean replace, GError **error)
{
    g_auto(Job) job = { .stages = stages, .update = update, .replace = replace,
                        .regions = g_array_new(FALSE, FALSE, sizeof(GuestVa)) };
    PatchPlan *plan = update_has_hooks(update) ? apply_with_hooks(&job, error) : apply_at_once(&job, error);

    /* What was prepared in a region stays there, and has to be taken out of it. */
    if (!plan && job.regions->len > 0)
        take_out(&job, update->id);
    if (plan ? has_region(plan->replaced) || job.regions->len > 1 : job.regions->len > 0)
        give_back(stages);
    return plan;
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

static PatchPlan *
undo_with_hooks(Job *job, const GPtrArray *hooked, GError **error)
{
    g_autoptr(PatchPlan) plan = NULL;

    if (!would_fit(job, plan_undo, error) || !run_hooks(job, hooked, PATCH_HOOK_PRE_UNDO, error))
        return NULL;
    job->undo = PATCH_UNDO_SWITCH;
    plan = commit(job, plan_undo, error);
    if (plan) {
        run_last_hooks(job, hooked);
        take_out(job, job->id);
    }
    return g_steal_pointer(&plan);
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
    plan = hooked->len == 0 ? commit(&job, plan_undo, error) : undo_with_hooks(&job, hooked, error);
    if (plan && has_region(plan->records))
        give_back(stages);
    return g_steal_pointer(&plan);
}
