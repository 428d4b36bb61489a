/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/edits.h"

#include "patcher/error.h"

struct PatchEdits {
    PatchEditsRead read;
    gpointer data;
    GArray *words;              /* of PatchWordEdit, those that were only read included */
    GHashTable *by_va;          /* GuestVa * -> index into words */
    GError *error;
};

PatchEdits *
patch_edits_new(PatchEditsRead read, gpointer data)
{
    PatchEdits *edits = g_new0(PatchEdits, 1);

    edits->read = read;
    edits->data = data;
    edits->words = g_array_new(FALSE, FALSE, sizeof(PatchWordEdit));
    edits->by_va = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    return edits;
}

void
patch_edits_free(PatchEdits *edits)
{
    if (!edits)
        return;
    g_array_unref(edits->words);
    g_hash_table_unref(edits->by_va);
    g_clear_error(&edits->error);
    g_free(edits);
}

/* Valid until the next call; NULL after an error. */
static PatchWordEdit *
word_at(PatchEdits *edits, GuestVa va)
{
    gint64 key = va;
    gpointer index;
    PatchWordEdit word = { .va = va };

    if (edits->error)
        return NULL;
    if (g_hash_table_lookup_extended(edits->by_va, &key, NULL, &index))
        return &g_array_index(edits->words, PatchWordEdit, GPOINTER_TO_UINT(index));
    if (!edits->read(edits->data, va, &word.before, &edits->error))
        return NULL;
    word.after = word.before;
    g_hash_table_insert(edits->by_va, g_memdup2(&key, sizeof key), GUINT_TO_POINTER(edits->words->len));
    g_array_append_val(edits->words, word);
    return &g_array_index(edits->words, PatchWordEdit, edits->words->len - 1);
}

guint64
patch_edits_get(PatchEdits *edits, GuestVa va)
{
    const PatchWordEdit *word = word_at(edits, va);

    return word ? word->after : 0;
}

void
patch_edits_set(PatchEdits *edits, GuestVa va, guint64 value)
{
    PatchWordEdit *word = word_at(edits, va);

    if (word)
        word->after = value;
}

void
patch_edits_fail(PatchEdits *edits, const char *what)
{
    if (!edits->error)
        g_set_error_literal(&edits->error, PATCH_ERROR, PATCH_ERROR_FAILED, what);
}

gboolean
patch_edits_failed(const PatchEdits *edits)
{
    return edits->error != NULL;
}

GArray *
patch_edits_list(const PatchEdits *edits, GError **error)
{
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(PatchWordEdit));

    if (edits->error) {
        g_propagate_error(error, g_error_copy(edits->error));
        return NULL;
    }
    for (guint i = 0; i < edits->words->len; i++) {
        const PatchWordEdit *word = &g_array_index(edits->words, PatchWordEdit, i);

        if (word->before != word->after)
            g_array_append_val(list, *word);
    }
    return g_steal_pointer(&list);
}
