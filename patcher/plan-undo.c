/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/plan-undo.h"

#include "patcher/error.h"
#include "patcher/jumps.h"
#include "patcher/known.h"
#include "patcher/module.h"
#include "patcher/pending.h"
#include "patcher/region.h"
#include "patcher/runner.h"
#include "patcher/value-text.h"
#include "patcher/values.h"

/* The last update that stands on one that is to go, and on what. */
typedef struct {
    const PatchRecord *record;
    const char *name;
} Last;

static void
note_later(Last *last, const PatchRecord *record, const PatchRecord *latest, const char *name)
{
    if (latest && latest->sequence >= record->sequence && (!last->record || last->record->sequence < latest->sequence))
        *last = (Last) { latest, name };
}

/* Later updates of the same functions and data stand on RECORD; the last of them has to go first. */
static gboolean
check_order(const IntroKernel *kernel, const PatchArena *arena, const PatchPlan *plan, const PatchRecord *record,
            GError **error)
{
    Last last = { NULL, NULL };

    for (guint i = 0; i < record->jumps->len; i++) {
        const PatchJump *jump = record->jumps->pdata[i];

        note_later(&last, record, patch_jumps_latest(kernel, arena, plan->records, jump->jump_va, NULL), jump->name);
    }
    for (guint i = 0; i < record->values->len; i++) {
        const PatchValue *value = record->values->pdata[i];

        note_later(&last, record, patch_values_latest(kernel, arena, plan->records, value), value->name);
    }
    if (last.record)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "update %s was applied after %s and changes %s too: undo %s first", last.record->id, record->id,
                    last.name, last.record->id);
    return last.record == NULL;
}

static gboolean
has_value_in_force(const IntroKernel *kernel, const PatchArena *arena, const PatchRecord *record)
{
    for (guint i = 0; i < record->values->len; i++) {
        PatchValueState state = patch_value_state(kernel, arena, record, record->values->pdata[i], NULL);

        if (state == PATCH_VALUE_IN_FORCE || state == PATCH_VALUE_SUPERSEDED)
            return TRUE;
    }
    return FALSE;
}

/* While an application is prepared, nothing of it is called but for hooks; nor has it been where none of its changes is there, as
 * those are made, or taken back, while the guest stands still. */
static gboolean
may_have_been_in_force(const IntroKernel *kernel, const PatchArena *arena, const PatchRecord *record)
{
    if (record->state != PATCH_STATE_PREPARING || record->hooks->len > 0)
        return TRUE;
    for (guint i = 0; i < record->jumps->len; i++) {
        PatchJumpState state = patch_jump_state(kernel, arena, record, record->jumps->pdata[i]);

        if (state == PATCH_JUMP_IN_FORCE || state == PATCH_JUMP_SUPERSEDED)
            return TRUE;
    }
    return has_value_in_force(kernel, arena, record);
}

/* Every record leaves its mark before any jump is touched, so that all of an update goes or nothing. */
static gboolean
plan_removal(PatchPlan *plan, const IntroKernel *kernel, const PatchArena *arena, PatchUndoStage stage,
             gboolean keep_data, GError **error)
{
    g_autoptr(GPtrArray) none = g_ptr_array_new();

    for (guint i = plan->records->len; i > 0; i--) {
        const PatchRecord *record = plan->records->pdata[i - 1];

        patch_plan_forbid_text(plan, record);
        if (!patch_record_is_runner(record))
            patch_pending_plan(plan, kernel, record);
        if (record->state == PATCH_STATE_INSTALLED &&
            !patch_plan_write_state(plan, kernel, record, PATCH_STATE_REMOVING, error))
            return FALSE;
        if (!patch_record_is_gone(kernel, arena, record) &&
            !patch_module_require(plan, kernel, record->module.name, error))
            return FALSE;
        if (patch_record_is_runner(record) && !patch_runner_plan_removed(plan, kernel, record, error))
            return FALSE;
    }
    if (!patch_jumps_plan(plan, kernel, arena, plan->records, none, error) ||
        !patch_values_plan(plan, kernel, arena, plan->records, none, keep_data, error))
        return FALSE;
    if (stage == PATCH_UNDO_SWITCH)
        return TRUE;
    if (!patch_known_plan_removed(plan, kernel, arena, plan->records, none, error))
        return FALSE;
    for (guint i = 0; i < plan->records->len; i++) {
        const PatchRecord *record = plan->records->pdata[i];

        if (!patch_plan_empty(plan, kernel, record, may_have_been_in_force(kernel, arena, record), error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
collect(PatchPlan *plan, const PatchArena *arena, const char *id, GError **error)
{
    GPtrArray *records = patch_arena_records(arena);

    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];

        if (!id || g_str_equal(record->id, id))
            g_ptr_array_add(plan->records, patch_record_ref(record));
    }
    if (plan->records->len == 0 && id)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED,
                    "no update %s is installed in this guest; view lists those that are", id);
    return plan->records->len > 0 || !id;
}

PatchPlan *
patch_plan_undo(const IntroKernel *kernel, const PatchArena *arena, const char *id, PatchUndoStage stage,
                gboolean keep_data, GError **error)
{
    g_autoptr(PatchPlan) plan = patch_plan_new("undo");

    if (!collect(plan, arena, id, error) || !patch_arena_check_settled(arena, error))
        return NULL;
    for (guint i = 0; i < plan->records->len; i++)
        if (!check_order(kernel, arena, plan, plan->records->pdata[i], error))
            return NULL;
    return plan_removal(plan, kernel, arena, stage, keep_data, error) ? g_steal_pointer(&plan) : NULL;
}

PatchPlan *
patch_plan_recover(const IntroKernel *kernel, const PatchArena *arena, const char *id, GError **error)
{
    g_autoptr(PatchPlan) plan = patch_plan_new("recover");
    GPtrArray *records = patch_arena_records(arena);

    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];

        if (record->state != PATCH_STATE_INSTALLED && (!id || g_str_equal(record->id, id)))
            g_ptr_array_add(plan->records, patch_record_ref(record));
    }
    return plan_removal(plan, kernel, arena, PATCH_UNDO_AT_ONCE, TRUE, error) ? g_steal_pointer(&plan) : NULL;
}

PatchPlan *
patch_plan_take_out(const IntroKernel *kernel, const PatchArena *arena, GuestVa va, GError **error)
{
    g_autoptr(PatchPlan) plan = patch_plan_new("take out what ran for");
    GPtrArray *records = patch_arena_records(arena);

    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];

        if (record->block.va == va)
            g_ptr_array_add(plan->records, patch_record_ref(record));
    }
    return plan_removal(plan, kernel, arena, PATCH_UNDO_AT_ONCE, TRUE, error) ? g_steal_pointer(&plan) : NULL;
}

/* ---- Verifying ---- */

static void
verify_placed(const IntroKernel *kernel, const PatchPlaced *placed, GPtrArray *findings)
{
    g_autofree guint8 *now = NULL;
    g_autofree char *digest = NULL;

    if (!*placed->sha256)
        return;
    now = g_try_malloc(placed->size);
    if (now && intro_space_read(intro_kernel_space(kernel), placed->va, now, placed->size, NULL))
        digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, now, placed->size);
    if (g_strcmp0(digest, placed->sha256) != 0)
        g_ptr_array_add(findings, g_strdup_printf("%s, at %#" G_GINT64_MODIFIER "x, is not what was installed",
                                                  placed->name, placed->va));
}

static void
verify_value(const IntroKernel *kernel, const PatchArena *arena, const PatchRecord *record, const PatchValue *value,
             GPtrArray *findings)
{
    g_autofree char *now = NULL;
    PatchValueState state = patch_value_state(kernel, arena, record, value, &now);
    g_autofree char *after = patch_value_text(value->form, g_bytes_get_data(value->mask, NULL),
                                              g_bytes_get_data(value->after, NULL), g_bytes_get_size(value->after));

    if (state == PATCH_VALUE_RESTORED || state == PATCH_VALUE_ALTERED)
        g_ptr_array_add(findings, g_strdup_printf("%s, at %#" G_GINT64_MODIFIER "x, holds %s, not the %s that was put there",
                                                  value->name, value->va, now, after));
    else if (state == PATCH_VALUE_GONE && !patch_record_is_gone(kernel, arena, record))
        g_ptr_array_add(findings, g_strdup_printf("%s is not reached any more: a pointer on the way leads elsewhere",
                                                  value->name));
}

GPtrArray *
patch_verify_record(const IntroKernel *kernel, const PatchArena *arena, const PatchRecord *record)
{
    GPtrArray *findings = g_ptr_array_new_with_free_func(g_free);

    if (record->state != PATCH_STATE_INSTALLED)
        g_ptr_array_add(findings, g_strdup("an apply or undo was interrupted; recover finishes it"));
    for (guint i = 0; i < record->jumps->len; i++) {
        const PatchJump *jump = record->jumps->pdata[i];
        PatchJumpState state = patch_jump_state(kernel, arena, record, jump);

        if (state == PATCH_JUMP_ABSENT || state == PATCH_JUMP_ALTERED)
            g_ptr_array_add(findings, g_strdup_printf("the jump in %s, at %#" G_GINT64_MODIFIER "x, is not there any "
                                                      "more", jump->name, jump->jump_va));
    }
    for (guint i = 0; i < record->values->len; i++)
        verify_value(kernel, arena, record, record->values->pdata[i], findings);
    if (!patch_region_is_intact(kernel, record))
        g_ptr_array_add(findings, g_strdup_printf("the guest's memory at %#" G_GINT64_MODIFIER "x that the update is in is not "
                                                  "mapped any more as it was", record->block.va));
    if (!patch_known_verify(kernel, record))
        g_ptr_array_add(findings, g_strdup("the guest's kernel does not know the new code any more: its list of modules "
                                           "was changed"));
    for (guint i = 0; i < record->placed->len; i++)
        verify_placed(kernel, record->placed->pdata[i], findings);
    return findings;
}
