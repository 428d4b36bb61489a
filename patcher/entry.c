/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/entry.h"

#include <string.h>

#include "patcher/error.h"

#define JUMP_BYTES 5

/* Behind ENDBR and the ftrace site, which stay in use. */
static guint32
jump_offset(const PatchCode *code)
{
    static const guint8 endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
    guint32 offset = code->bytes->len >= 4 && memcmp(code->bytes->data, endbr64, 4) == 0 ? 4 : 0;

    for (guint i = 0; i < code->sites->len; i++) {
        const PatchSite *site = code->sites->pdata[i];

        if (site->kind == PATCH_SITE_FTRACE && site->offset == offset)
            return offset + site->length;
    }
    return offset;
}

/* The kernel rewrites some sites while it runs; a jump there would be destroyed, or make it BUG(). */
static gboolean
check_place(const PatchCode *code, guint32 offset, const char *name, GError **error)
{
    if (code->bytes->len < offset + JUMP_BYTES) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "%s is too short to be replaced: it has no room for a jump", name);
        return FALSE;
    }
    for (guint i = 0; i < code->sites->len; i++) {
        const PatchSite *site = code->sites->pdata[i];
        gboolean is_rewritten = site->kind == PATCH_SITE_JUMP_LABEL || site->kind == PATCH_SITE_STATIC_CALL ||
                                site->kind == PATCH_SITE_SMP_LOCK;

        if (is_rewritten && site->offset < offset + JUMP_BYTES && offset < site->offset + site->length) {
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                        "%s cannot be replaced: it begins with a %s, which the kernel rewrites while it runs; patch its "
                        "callers instead", name, patch_site_kind_name(site->kind));
            return FALSE;
        }
    }
    return TRUE;
}

/* NULL if the jump cannot reach that far. */
static GBytes *
jump_code(GuestVa from, GuestVa to)
{
    guint8 bytes[JUMP_BYTES] = { 0xe9 };
    gint64 distance = (gint64) (to - (from + JUMP_BYTES));
    gint32 field = GINT32_TO_LE((gint32) distance);

    if (distance != (gint32) distance)
        return NULL;
    memcpy(bytes + 1, &field, sizeof field);
    return g_bytes_new(bytes, sizeof bytes);
}

gboolean
patch_entry_fill(const IntroKernel *kernel, const PatchArena *arena, const PatchCode *code, PatchJump *jump,
                 GError **error)
{
    guint32 offset = jump_offset(code);
    guint8 before[JUMP_BYTES];

    if (!check_place(code, offset, jump->name, error))
        return FALSE;
    jump->jump_va = jump->va + offset;
    if (!intro_space_read(intro_kernel_space(kernel), jump->jump_va, before, sizeof before, error))
        return FALSE;
    patch_arena_take_jumps_out(arena, jump->jump_va, before, sizeof before);
    jump->before = g_bytes_new(before, sizeof before);
    jump->jump = jump_code(jump->jump_va, jump->replacement_va);
    if (!jump->jump)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "%s, at %#" G_GINT64_MODIFIER "x, is too far away from where there is room for its replacement",
                    jump->name, jump->va);
    return jump->jump != NULL;
}
