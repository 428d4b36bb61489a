/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/runner-end.h"

#include <string.h>

#include "patcher/error.h"

#define NOP 0x90
#define JUMP 0xe9
#define JUMP_BYTES 5
#define TRAP 0xcc

static gboolean
refers_to(const PatchCode *code, guint32 piece)
{
    for (guint i = 0; i < code->fixups->len; i++) {
        const PatchFixup *fixup = &g_array_index(code->fixups, PatchFixup, i);

        if (fixup->target == PATCH_TARGET_PIECE && fixup->index == piece)
            return TRUE;
    }
    return FALSE;
}

/* Its own rarely run part may lead back to it. */
static gboolean
is_alone(const PatchObject *object, guint32 index)
{
    g_autofree char *part = g_strconcat(((const PatchPiece *) object->pieces->pdata[index])->name, ".cold", NULL);

    for (guint i = 0; i < object->pieces->len; i++) {
        const PatchPiece *piece = object->pieces->pdata[i];

        if (i != index && !g_str_has_prefix(piece->name, part) && refers_to(piece->code, index))
            return FALSE;
    }
    for (guint i = 0; i < object->data->len; i++)
        if (refers_to(((const PatchDatum *) object->data->pdata[i])->after, index))
            return FALSE;
    return TRUE;
}

static void
pad(PatchPiece *piece)
{
    guint8 traps[PATCH_RUNNER_PAD_BYTES];

    memset(traps, TRAP, sizeof traps);
    g_byte_array_append(piece->code->bytes, traps, sizeof traps);
    piece->size = piece->code->bytes->len;
}

/* One function may be several hooks. */
void
patch_runner_end_pad(PatchObject *object)
{
    g_autoptr(GHashTable) done = g_hash_table_new(NULL, NULL);

    for (guint i = 0; i < object->hooks->len; i++) {
        guint32 piece = g_array_index(object->hooks, PatchHook, i).piece;

        if (g_hash_table_add(done, GUINT_TO_POINTER(piece)) && is_alone(object, piece))
            pad(object->pieces->pdata[piece]);
    }
}

static gboolean
is_filled(const guint8 *bytes, gsize length, guint8 with)
{
    for (gsize i = 0; i < length; i++)
        if (bytes[i] != with)
            return FALSE;
    return TRUE;
}

gboolean
patch_runner_end_is(const guint8 *code, gsize length)
{
    return length > PATCH_RUNNER_PAD_BYTES && code[length - JUMP_BYTES] == JUMP && is_filled(code, length - JUMP_BYTES, NOP);
}

GBytes *
patch_runner_end_code(const IntroKernel *kernel, const PatchCall *call)
{
    g_autofree guint8 *code = g_try_malloc(call->own.length);

    if (!code || call->own.length <= PATCH_RUNNER_PAD_BYTES ||
        !intro_space_read(intro_kernel_space(kernel), call->own.va, code, call->own.length, NULL) ||
        !is_filled(code + call->own.length - PATCH_RUNNER_PAD_BYTES, PATCH_RUNNER_PAD_BYTES, TRAP))
        return NULL;
    return g_bytes_new_take(g_steal_pointer(&code), call->own.length);
}

gboolean
patch_runner_end_plan(PatchPlan *plan, const IntroKernel *kernel, const PatchCall *call, GBytes *code,
                      const PatchRecord *runner, GError **error)
{
    const PatchPlaced *text = runner->placed->pdata[PATCH_RUNNER_TEXT_PIECE];
    GuestVa end = text->va + (guint64) (patch_runner_end - patch_runner_code);
    gsize length = call->own.length;
    gint64 distance = (gint64) (end - (call->function + length));
    gint32 field = GINT32_TO_LE((gint32) distance);
    guint8 *bytes = g_malloc(length);
    g_autoptr(GBytes) way = g_bytes_new_take(bytes, length);

    if (distance != (gint32) distance) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, "%s is too far from where it is to be led", call->name);
        return FALSE;
    }
    memset(bytes, NOP, length - JUMP_BYTES);
    bytes[length - JUMP_BYTES] = JUMP;
    memcpy(bytes + length - sizeof field, &field, sizeof field);
    return patch_plan_write(plan, kernel, call->own.va, code, way, error);
}

gboolean
patch_runner_end_plan_restored(PatchPlan *plan, const IntroKernel *kernel, const PatchCall *call, GBytes *code,
                               GError **error)
{
    return patch_plan_write(plan, kernel, call->own.va, NULL, code, error);
}
