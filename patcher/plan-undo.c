/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/plan-undo.h"

#include "patcher/error.h"

typedef enum { JUMP_INSTALLED, JUMP_ABSENT, JUMP_ALTERED } JumpState;

static GBytes *
read_bytes(const IntroKernel *kernel, GuestVa va, gsize length, GError **error)
{
    g_autofree guint8 *bytes = g_try_malloc(length);

    if (!bytes) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "no memory for %zu bytes of the guest's", length);
        return NULL;
    }
    if (!intro_space_read(intro_kernel_space(kernel), va, bytes, length, error))
        return NULL;
    return g_bytes_new_take(g_steal_pointer(&bytes), length);
}

static JumpState
jump_state(const IntroKernel *kernel, const PatchJump *jump)
{
    g_autoptr(GBytes) now = read_bytes(kernel, jump->jump_va, g_bytes_get_size(jump->jump), NULL);

    if (now && g_bytes_equal(now, jump->jump))
        return JUMP_INSTALLED;
    return now && g_bytes_equal(now, jump->before) ? JUMP_ABSENT : JUMP_ALTERED;
}

static gboolean
plan_jumps(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record, GError **error)
{
    for (guint i = 0; i < record->jumps->len; i++) {
        const PatchJump *jump = record->jumps->pdata[i];
        JumpState state = jump_state(kernel, jump);

        if (state == JUMP_ALTERED || (state == JUMP_ABSENT && record->state == PATCH_STATE_INSTALLED)) {
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                        "the jump that update %s put into %s is not there any more: somebody else has changed the "
                        "guest's code since. Nothing is undone", record->id, jump->name);
            return FALSE;
        }
        if (state == JUMP_INSTALLED && !patch_plan_write(plan, kernel, jump->jump_va, jump->jump, jump->before, error))
            return FALSE;
    }
    return TRUE;
}

static void
forbid_text(PatchPlan *plan, const PatchRecord *record)
{
    for (guint i = 0; i < record->placed->len; i++) {
        const PatchPlaced *placed = record->placed->pdata[i];

        if (placed->kind == PATCH_PIECE_TEXT)
            patch_plan_forbid(plan, placed->name, placed->va, placed->size, 0);
    }
}

static gboolean
plan_data(PatchPlan *plan, const IntroKernel *kernel, const PatchArea *data, GError **error)
{
    g_autoptr(GBytes) zeros = patch_plan_filler(0, data->length);

    return data->length == 0 || patch_plan_write(plan, kernel, data->va, NULL, zeros, error);
}

/* The header goes last: until then, it says what is to be emptied. */
static gboolean
plan_emptying(PatchPlan *plan, const IntroKernel *kernel, const PatchArea *block, GError **error)
{
    g_autoptr(GBytes) no_body = patch_plan_filler(PATCH_EMPTY_TEXT, block->length - PATCH_BLOCK_HEADER_BYTES);
    g_autoptr(GBytes) no_header = patch_plan_filler(PATCH_EMPTY_TEXT, PATCH_BLOCK_HEADER_BYTES);

    return patch_plan_write(plan, kernel, block->va + PATCH_BLOCK_HEADER_BYTES, NULL, no_body, error) &&
           patch_plan_write(plan, kernel, block->va, NULL, no_header, error);
}

/* What a claimed block has behind it already. */
static gboolean
plan_removal(PatchPlan *plan, const IntroKernel *kernel, GError **error)
{
    forbid_text(plan, plan->record);
    return patch_plan_write_state(plan, kernel, PATCH_STATE_REMOVING, error) &&
           plan_jumps(plan, kernel, plan->record, error) && plan_data(plan, kernel, &plan->record->data, error) &&
           patch_plan_write_state(plan, kernel, PATCH_STATE_CLAIMED, error);
}

/* The record at hand belongs to an arena; the plan gets one of its own. */
static PatchRecord *
read_record(const IntroKernel *kernel, const PatchArea *block, GError **error)
{
    g_autoptr(GBytes) bytes = read_bytes(kernel, block->va, block->length, error);

    return bytes ? patch_record_load(block->va, g_bytes_get_data(bytes, NULL), block->length, error) : NULL;
}

PatchPlan *
patch_plan_undo(const IntroKernel *kernel, const PatchRecord *record, GError **error)
{
    PatchRecord *own = read_record(kernel, &record->block, error);
    g_autoptr(PatchPlan) plan = own ? patch_plan_new("undo", own) : NULL;

    if (!plan)
        return NULL;
    if ((own->state != PATCH_STATE_CLAIMED && !plan_removal(plan, kernel, error)) ||
        !plan_emptying(plan, kernel, &own->block, error))
        return NULL;
    return g_steal_pointer(&plan);
}

static void
verify_placed(const IntroKernel *kernel, const PatchPlaced *placed, GPtrArray *findings)
{
    g_autoptr(GBytes) now = NULL;
    g_autofree char *digest = NULL;

    if (!*placed->sha256)
        return;
    now = read_bytes(kernel, placed->va, placed->size, NULL);
    digest = now ? g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, now) : NULL;
    if (g_strcmp0(digest, placed->sha256) != 0)
        g_ptr_array_add(findings, g_strdup_printf("%s, at %#" G_GINT64_MODIFIER "x, is not what was installed",
                                                  placed->name, placed->va));
}

GPtrArray *
patch_verify_record(const IntroKernel *kernel, const PatchRecord *record)
{
    GPtrArray *findings = g_ptr_array_new_with_free_func(g_free);

    if (record->state != PATCH_STATE_INSTALLED)
        g_ptr_array_add(findings, g_strdup("an apply or undo was interrupted; recover finishes it"));
    for (guint i = 0; i < record->jumps->len; i++) {
        const PatchJump *jump = record->jumps->pdata[i];

        if (jump_state(kernel, jump) != JUMP_INSTALLED)
            g_ptr_array_add(findings, g_strdup_printf("the jump in %s, at %#" G_GINT64_MODIFIER "x, is not there any "
                                                      "more", jump->name, jump->jump_va));
    }
    for (guint i = 0; i < record->placed->len; i++)
        verify_placed(kernel, record->placed->pdata[i], findings);
    return findings;
}
