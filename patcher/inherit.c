/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/inherit.h"

/* Of kernel-headers/virt-livepatch-shadow.h: all that there is of them in the update. What they lead to has no other pointer
 * into it. */
#define HEADS "virt_livepatch_shadow_heads"

static gboolean
brings_heads(const PatchUpdate *update, const char *module)
{
    for (guint i = 0; i < update->objects->len; i++) {
        const PatchObject *object = update->objects->pdata[i];

        for (guint j = 0; g_str_equal(object->module, module) && j < object->pieces->len; j++)
            if (g_str_equal(((const PatchPiece *) object->pieces->pdata[j])->name, HEADS))
                return TRUE;
    }
    return FALSE;
}

gboolean
patch_inherit_is_possible(const PatchUpdate *update, const PatchRecord *record)
{
    for (guint i = 0; i < record->hooks->len; i++)
        if (((const PatchHookPlace *) record->hooks->pdata[i])->kind != PATCH_HOOK_RELEASE ||
            !brings_heads(update, record->module.name))
            return FALSE;
    return TRUE;
}

static const PatchPlaced *
heads_of(const PatchRecord *record)
{
    for (guint i = 0; i < record->placed->len; i++) {
        const PatchPlaced *placed = record->placed->pdata[i];

        if (placed->kind == PATCH_PIECE_BSS && g_str_equal(placed->name, HEADS))
            return placed;
    }
    return NULL;
}

static GBytes *
read_heads(const IntroKernel *kernel, const PatchPlaced *heads, GError **error)
{
    g_autofree guint8 *bytes = g_try_malloc(heads->size);

    if (bytes && intro_space_read(intro_kernel_space(kernel), heads->va, bytes, heads->size, error))
        return g_bytes_new_take(g_steal_pointer(&bytes), heads->size);
    if (!bytes)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "no memory for %s", heads->name);
    return NULL;
}

gboolean
patch_inherit_plan(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *old, const PatchRecord *record,
                   GError **error)
{
    const PatchPlaced *from = heads_of(old), *to = heads_of(record);
    g_autoptr(GBytes) theirs = NULL, ours = NULL, none = NULL;

    if (!from || !g_str_equal(old->module.name, record->module.name))
        return TRUE;
    if (!to || from->size != to->size) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "shadow variables of update %s are not kept as those of this one are: undo that first", old->id);
        return FALSE;
    }
    theirs = read_heads(kernel, from, error);
    ours = theirs ? read_heads(kernel, to, error) : NULL;
    if (!ours)
        return FALSE;
    none = patch_plan_filler(0, to->size);
    if (!g_bytes_equal(ours, none)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "its hooks have made shadow variables before it could take over those of update %s: undo that first", old->id);
        return FALSE;
    }
    patch_plan_require(plan, from->va, theirs, PATCH_ERROR_PASSING,
                       g_strdup_printf("shadow variables of update %s come and go", old->id));
    return patch_plan_write_data(plan, kernel, to->va, none, theirs, FALSE, error);
}
