/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/loose-ends.h"

#include "introspect/cursor.h"
#include "patcher/error.h"

#define MAX_POINTERS (1u << 16)

static gboolean
leads_into_block(const PatchRecord *record, GuestVa to)
{
    const PatchArea code = { record->code_va, record->block.length };

    return patch_area_contains(record->block, to) || patch_area_contains(code, to);
}

/* Adds to N_FOUND how many there are. */
static gboolean
cut_all(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record, const PatchPlaced *placed, const guint8 *bytes,
        guint *n_found, GError **error)
{
    g_autoptr(GBytes) nowhere = patch_plan_filler(0, sizeof(guint64));

    for (guint64 i = -placed->va % sizeof(guint64); i + sizeof(guint64) <= placed->size; i += sizeof(guint64)) {
        g_autoptr(GBytes) before = NULL;

        if (!leads_into_block(record, intro_word(bytes + i)))
            continue;
        if (++*n_found > MAX_POINTERS) {
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s of update %s claims to have more pointers to its code than "
                        "there can be", placed->name, record->id);
            return FALSE;
        }
        before = g_bytes_new(bytes + i, sizeof(guint64));
        if (!patch_plan_write_data(plan, kernel, placed->va + i, before, nowhere, FALSE, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
patch_loose_ends_plan(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record, GError **error)
{
    guint n_found = 0;

    for (guint i = 0; i < record->placed->len; i++) {
        const PatchPlaced *placed = record->placed->pdata[i];
        g_autofree guint8 *bytes = placed->stays ? g_try_malloc(placed->size) : NULL;
        guint n_before = n_found;

        if (!placed->stays || placed->size == 0)
            continue;
        if (!bytes) {
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "no memory for %s of update %s", placed->name, record->id);
            return FALSE;
        }
        if (!intro_space_read(intro_kernel_space(kernel), placed->va, bytes, placed->size, error) ||
            !cut_all(plan, kernel, record, placed, bytes, &n_found, error))
            return FALSE;
        if (n_found > n_before)
            g_ptr_array_add(plan->notes, g_strdup_printf("%s of update %s, which stays, led to code of it, which does not: it has "
                                                         "0 there now", placed->name, record->id));
    }
    return TRUE;
}
