/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/escape.h"

#include "patcher/register-flow.h"

typedef struct {
    const PatchObject *object;
    guint *leaves;              /* of each piece: of PatchLeaves */
} Escape;

static gboolean
is_text(const PatchObject *object, guint32 piece)
{
    return ((const PatchPiece *) object->pieces->pdata[piece])->kind == PATCH_PIECE_TEXT;
}

static void
note_all(const Escape *escape, const GArray *fixups)
{
    for (guint i = 0; i < fixups->len; i++) {
        const PatchFixup *fixup = &g_array_index(fixups, PatchFixup, i);

        if (fixup->target == PATCH_TARGET_PIECE)
            escape->leaves[fixup->index] |= PATCH_LEAVES_ADDRESS;
    }
}

static void
look_at_function(const Escape *escape, guint32 index)
{
    const PatchCode *code = ((const PatchPiece *) escape->object->pieces->pdata[index])->code;
    g_autoptr(PatchFlow) flow = NULL;

    for (guint i = 0; i < code->sites->len; i++) {
        const PatchSite *site = code->sites->pdata[i];

        for (guint c = 0; site->choices && c < site->choices->len; c++)
            note_all(escape, ((const PatchChoice *) site->choices->pdata[c])->fixups);
    }
    flow = patch_flow_new(escape->object, index);
    if (!flow)
        note_all(escape, code->fixups);
    for (guint i = 0; flow && i < code->fixups->len; i++) {
        const PatchFixup *fixup = &g_array_index(code->fixups, PatchFixup, i);

        if (fixup->target == PATCH_TARGET_PIECE && !is_text(escape->object, fixup->index))
            escape->leaves[fixup->index] |= patch_flow_follow(flow, fixup, FALSE);
    }
}

/* Whoever has the one can find the others that it leads to. TRUE if that is news. */
static gboolean
spread(const Escape *escape, guint32 index)
{
    const GArray *fixups = ((const PatchPiece *) escape->object->pieces->pdata[index])->code->fixups;
    gboolean is_news = FALSE;

    for (guint i = 0; escape->leaves[index] && i < fixups->len; i++) {
        const PatchFixup *fixup = &g_array_index(fixups, PatchFixup, i);

        if (fixup->target != PATCH_TARGET_PIECE || is_text(escape->object, fixup->index))
            continue;
        is_news |= !(escape->leaves[fixup->index] & PATCH_LEAVES_ADDRESS);
        escape->leaves[fixup->index] |= PATCH_LEAVES_ADDRESS;
    }
    return is_news;
}

static void
spread_all(const Escape *escape)
{
    gboolean is_news = TRUE;

    while (is_news) {
        is_news = FALSE;
        for (guint i = 0; i < escape->object->pieces->len; i++)
            if (!is_text(escape->object, i))
                is_news |= spread(escape, i);
    }
}

gboolean *
patch_escape_find(const PatchObject *object)
{
    gboolean *escapes = g_new0(gboolean, object->pieces->len + 1);
    g_autofree guint *leaves = g_new0(guint, object->pieces->len + 1);
    const Escape escape = { object, leaves };

    for (guint i = 0; i < object->pieces->len; i++)
        if (is_text(object, i))
            look_at_function(&escape, i);
    /* What a variable of the kernel's leads to for a while, its users may have kept. */
    for (guint i = 0; i < object->data->len; i++)
        note_all(&escape, ((const PatchDatum *) object->data->pdata[i])->after->fixups);
    spread_all(&escape);
    for (guint i = 0; i < object->pieces->len; i++)
        escapes[i] = !is_text(object, i) && leaves[i] & PATCH_LEAVES_ANYHOW;
    return escapes;
}

/* The first function of OBJECT's that the table leads to; NULL if there is none. */
static const char *
own_function(const PatchObject *object, const PatchPiece *table)
{
    for (guint i = 0; i < table->code->fixups->len; i++) {
        const PatchFixup *fixup = &g_array_index(table->code->fixups, PatchFixup, i);

        if (fixup->target == PATCH_TARGET_PIECE && fixup->addend == 0 && is_text(object, fixup->index))
            return ((const PatchPiece *) object->pieces->pdata[fixup->index])->name;
    }
    return NULL;
}

static gboolean
has_hook_before_undo(const PatchObject *object)
{
    for (guint i = 0; i < object->hooks->len; i++)
        if (g_array_index(object->hooks, PatchHook, i).kind == PATCH_HOOK_PRE_UNDO)
            return TRUE;
    return FALSE;
}

void
patch_escape_note(const PatchObject *object, GPtrArray *notes)
{
    g_autofree gboolean *escapes = patch_escape_find(object);

    for (guint i = 0; i < object->pieces->len && !has_hook_before_undo(object); i++) {
        const PatchPiece *piece = object->pieces->pdata[i];
        const char *function = escapes[i] ? own_function(object, piece) : NULL;

        if (function)
            g_ptr_array_add(notes, g_strdup_printf("%s, which new code may give to objects, leads to %s, which is gone after undo: "
                                                   "if an object can then still call it, a pre-undo hook has to see to that",
                                                   piece->name, function));
    }
}
