/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/copy-piece.h"

#include "patcher/error.h"

typedef struct {
    PatchObject *into;
    const PatchObject *from;
    GHashTable *copied;         /* piece of FROM -> its index in INTO + 1 */
    GArray *queue;              /* of guint32: pieces of FROM whose copy is still empty */
    const char *name;           /* of the function that is copied */
} Copy;

static gboolean
refuse(const Copy *copy, const char *what, GError **error)
{
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                "the patch adds %s in %s for %s, another module: an update can only share it by copying, but it uses %s, "
                "which cannot be copied; put %s where that is used, or into the file that it is for", copy->name,
                copy->from->path, copy->into->path, what, copy->name);
    return FALSE;
}

static guint32
extern_symbol(PatchObject *object, const char *name)
{
    for (guint i = 0; i < object->symbols->len; i++) {
        const PatchSymbol *symbol = object->symbols->pdata[i];

        if (symbol->section < 0 && g_str_equal(symbol->name, name))
            return i;
    }
    patch_object_add_symbol(object, name, -1, 0, 0)->is_global = TRUE;
    return object->symbols->len - 1;
}

static gboolean
copy_symbol(const Copy *copy, guint32 from, guint32 *into, GError **error)
{
    const PatchSymbol *symbol = copy->from->symbols->pdata[from];

    if (symbol->section >= 0)
        return refuse(copy, symbol->name, error);
    *into = extern_symbol(copy->into, symbol->name);
    return TRUE;
}

/* The copy of piece INDEX of FROM, which may still be to be filled. */
static gboolean
piece_of(Copy *copy, guint32 index, guint32 *into, GError **error)
{
    const PatchPiece *piece = copy->from->pieces->pdata[index];
    guint32 known = GPOINTER_TO_UINT(g_hash_table_lookup(copy->copied, GUINT_TO_POINTER(index)));

    if (!known && (piece->kind == PATCH_PIECE_DATA || piece->kind == PATCH_PIECE_BSS))
        return refuse(copy, piece->name, error);
    if (!known) {
        patch_object_add_piece(copy->into, piece->name, piece->kind, piece->alignment, piece->size);
        known = copy->into->pieces->len;
        g_hash_table_insert(copy->copied, GUINT_TO_POINTER(index), GUINT_TO_POINTER(known));
        g_array_append_val(copy->queue, index);
    }
    *into = known - 1;
    return TRUE;
}

static gboolean
copy_fixups(Copy *copy, const GArray *from, GArray *into, GError **error)
{
    for (guint i = 0; i < from->len; i++) {
        PatchFixup fixup = g_array_index(from, PatchFixup, i);

        if (!(fixup.target == PATCH_TARGET_PIECE ? piece_of(copy, fixup.index, &fixup.index, error)
                                                 : copy_symbol(copy, fixup.index, &fixup.index, error)))
            return FALSE;
        g_array_append_val(into, fixup);
    }
    return TRUE;
}

static gboolean
copy_site(Copy *copy, const PatchSite *site, PatchCode *into, GError **error)
{
    PatchSite *added = patch_site_new(site->kind, site->offset, site->length, site->arg);

    g_ptr_array_add(into->sites, added);
    for (guint i = 0; site->choices && i < site->choices->len; i++) {
        const PatchChoice *choice = site->choices->pdata[i];
        PatchChoice *added_choice = patch_choice_new(choice->feature);

        g_ptr_array_add(added->choices, added_choice);
        g_byte_array_append(added_choice->bytes, choice->bytes->data, choice->bytes->len);
        if (!copy_fixups(copy, choice->fixups, added_choice->fixups, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
copy_exceptions(Copy *copy, guint32 index, guint32 into, GError **error)
{
    for (guint i = 0; i < copy->from->exceptions->len; i++) {
        PatchException exception = g_array_index(copy->from->exceptions, PatchException, i);
        guint32 handler;

        if (exception.piece != index)
            continue;
        exception.piece = into;
        if (!piece_of(copy, exception.to_piece, &exception.to_piece, error) ||
            (exception.handler >= 0 && !copy_symbol(copy, exception.handler, &handler, error)))
            return FALSE;
        exception.handler = exception.handler >= 0 ? (gint32) handler : -1;
        g_array_append_val(copy->into->exceptions, exception);
    }
    return TRUE;
}

static void
copy_unwinds(Copy *copy, guint32 index, guint32 into)
{
    for (guint i = 0; i < copy->from->unwinds->len; i++) {
        PatchUnwind unwind = g_array_index(copy->from->unwinds, PatchUnwind, i);

        if (unwind.piece != index)
            continue;
        unwind.piece = into;
        g_array_append_val(copy->into->unwinds, unwind);
    }
    copy->into->unwind_bytes = MAX(copy->into->unwind_bytes, copy->from->unwind_bytes);
}

static gboolean
fill(Copy *copy, guint32 index, GError **error)
{
    const PatchPiece *from = copy->from->pieces->pdata[index];
    guint32 into = GPOINTER_TO_UINT(g_hash_table_lookup(copy->copied, GUINT_TO_POINTER(index))) - 1;
    PatchCode *code = ((PatchPiece *) copy->into->pieces->pdata[into])->code;

    g_byte_array_append(code->bytes, from->code->bytes->data, from->code->bytes->len);
    for (guint i = 0; i < from->code->sites->len; i++)
        if (!copy_site(copy, from->code->sites->pdata[i], code, error))
            return FALSE;
    copy_unwinds(copy, index, into);
    return copy_fixups(copy, from->code->fixups, code->fixups, error) && copy_exceptions(copy, index, into, error);
}

gboolean
patch_copy_piece(PatchObject *into, const PatchObject *from, guint32 index, GError **error)
{
    g_autoptr(GHashTable) copied = g_hash_table_new(NULL, NULL);
    g_autoptr(GArray) queue = g_array_new(FALSE, FALSE, sizeof(guint32));
    Copy copy = { into, from, copied, queue, ((const PatchPiece *) from->pieces->pdata[index])->name };
    guint32 unused;

    if (!piece_of(&copy, index, &unused, error))
        return FALSE;
    for (guint i = 0; i < queue->len; i++)
        if (!fill(&copy, g_array_index(queue, guint32, i), error))
            return FALSE;
    return TRUE;
}
