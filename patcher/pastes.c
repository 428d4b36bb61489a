/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/pastes.h"

#include <string.h>

#include "patcher/construct-names.h"

/* --- Reading macros */

void
patch_pastes_read_parameters(PatchConstructs *constructs, PatchTokens tokens, const PatchToken *name, GArray *parameters)
{
    PatchToken token = patch_tokens_next(&tokens);

    if (token.kind != PATCH_TOKEN_OTHER || *token.start != '(' || token.start != name->start + name->length)
        return;
    while ((token = patch_tokens_next(&tokens)).kind == PATCH_TOKEN_NAME || (token.kind == PATCH_TOKEN_OTHER && *token.start != ')')) {
        guint32 id = token.kind == PATCH_TOKEN_NAME ? patch_constructs_number(constructs, token.start, token.length) : 0;

        if (token.kind == PATCH_TOKEN_NAME)
            g_array_append_val(parameters, id);
    }
}

static gboolean
contains(const GArray *ids, guint32 id)
{
    for (guint i = 0; i < ids->len; i++)
        if (g_array_index(ids, guint32, i) == id)
            return TRUE;
    return FALSE;
}

/* What was joined by ## so far is one name. */
static void
end_name(PatchConstructs *constructs, guint32 owner, GArray *parts, GArray *pastes)
{
    PatchPaste paste = { owner, constructs->ids->len, parts->len };
    guint n_arguments = 0;

    for (guint i = 0; i < parts->len; i++)
        n_arguments += g_array_index(parts, guint32, i) == PATCH_ARGUMENT;
    if (n_arguments > 0 && n_arguments <= PATCH_MAX_ARGUMENTS && n_arguments < parts->len) {
        g_array_append_vals(constructs->ids, parts->data, parts->len);
        g_array_append_val(pastes, paste);
    }
    g_array_set_size(parts, 0);
}

static gboolean
is_hash(const PatchToken *token)
{
    return token->kind == PATCH_TOKEN_OTHER && *token->start == '#';
}

/* Part of a name: a number can be, too. */
static gboolean
is_part(const PatchToken *token)
{
    return token->kind == PATCH_TOKEN_NAME || (token->kind == PATCH_TOKEN_OTHER && g_ascii_isdigit(*token->start));
}

void
patch_pastes_read(PatchConstructs *constructs, PatchTokens tokens, guint32 owner, const GArray *parameters, GArray *pastes)
{
    g_autoptr(GArray) parts = g_array_new(FALSE, FALSE, sizeof(guint32));
    PatchToken before = { .kind = PATCH_TOKEN_LINE }, token;
    gboolean is_joined = FALSE;

    while ((token = patch_tokens_next(&tokens)).kind != PATCH_TOKEN_LINE && token.kind != PATCH_TOKEN_END) {
        if (is_hash(&token)) {
            is_joined = is_hash(&before) && before.start + 1 == token.start;
        } else {
            if (!is_joined)
                end_name(constructs, owner, parts, pastes);
            if (is_part(&token)) {
                guint32 id = patch_constructs_number(constructs, token.start, token.length);

                id = contains(parameters, id) ? PATCH_ARGUMENT : id;
                g_array_append_val(parts, id);
            }
            is_joined = FALSE;
        }
        before = token;
    }
    end_name(constructs, owner, parts, pastes);
}

/* --- Taking a name apart */

typedef struct {
    const PatchConstructs *constructs;
    PatchApart apart;
    PatchApartFunc found;
    gpointer data;
} Search;

/* NAME: the rest of it, which is part number I of the paste and those after it. */
static void
take_apart(Search *search, guint i, const char *name)
{
    const PatchPaste *paste = search->apart.paste;
    const guint32 part = i < paste->n_parts ? g_array_index(search->constructs->ids, guint32, paste->parts + i) : 0;
    const gsize rest = strlen(name);

    if (i == paste->n_parts) {
        if (!rest)
            search->found(&search->apart, search->data);
    } else if (part != PATCH_ARGUMENT) {
        const char *own = search->constructs->names->pdata[part];

        if (g_str_has_prefix(name, own))
            take_apart(search, i + 1, name + strlen(own));
    } else {
        for (gsize length = i + 1 == paste->n_parts ? MAX(rest, 1) : 1; length <= rest; length++) {
            search->apart.arguments[search->apart.n_arguments++] = (PatchArgument) { name, length };
            take_apart(search, i + 1, name + length);
            search->apart.n_arguments--;
        }
    }
}

void
patch_pastes_take_apart(const PatchConstructs *constructs, const PatchPaste *paste, const char *name, PatchApartFunc found,
                        gpointer data)
{
    Search search = { constructs, { .paste = paste }, found, data };

    take_apart(&search, 0, name);
}

/* --- By all pastes that there are */

struct PatchPasteIndex {
    const PatchConstructs *constructs;
    GHashTable *by_beginning, *by_end;  /* text of the first or last part -> GPtrArray of const PatchPaste */
    GPtrArray *open;            /* of const PatchPaste: those whose first and last parts are arguments */
};

static void
add_paste(GHashTable *table, char *text, const PatchPaste *paste)
{
    GPtrArray *place = g_hash_table_lookup(table, text);

    if (!place) {
        place = g_ptr_array_new();
        g_hash_table_insert(table, text, place);
    }
    g_ptr_array_add(place, (gpointer) paste);
}

PatchPasteIndex *
patch_paste_index_new(const PatchConstructs *constructs)
{
    PatchPasteIndex *index = g_new0(PatchPasteIndex, 1);

    index->constructs = constructs;
    index->by_beginning = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) g_ptr_array_unref);
    index->by_end = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) g_ptr_array_unref);
    index->open = g_ptr_array_new();
    for (guint i = 0; i < constructs->pastes->len; i++) {
        const PatchPaste *paste = &g_array_index(constructs->pastes, PatchPaste, i);
        const guint32 first = g_array_index(constructs->ids, guint32, paste->parts),
                      last = g_array_index(constructs->ids, guint32, paste->parts + paste->n_parts - 1);

        if (first != PATCH_ARGUMENT)
            add_paste(index->by_beginning, constructs->names->pdata[first], paste);
        else if (last != PATCH_ARGUMENT)
            add_paste(index->by_end, constructs->names->pdata[last], paste);
        else
            g_ptr_array_add(index->open, (gpointer) paste);
    }
    return index;
}

void
patch_paste_index_free(PatchPasteIndex *index)
{
    if (!index)
        return;
    g_hash_table_unref(index->by_beginning);
    g_hash_table_unref(index->by_end);
    g_ptr_array_unref(index->open);
    g_free(index);
}

static void
take_apart_by(const PatchPasteIndex *index, const GPtrArray *pastes, const char *name, PatchApartFunc found, gpointer data)
{
    for (guint i = 0; pastes && i < pastes->len; i++)
        patch_pastes_take_apart(index->constructs, pastes->pdata[i], name, found, data);
}

void
patch_paste_index_take_apart(const PatchPasteIndex *index, const char *name, PatchApartFunc found, gpointer data)
{
    g_autofree char *beginning = g_strdup(name);

    for (gsize length = strlen(name); length > 0; length--) {
        beginning[length] = 0;
        take_apart_by(index, g_hash_table_lookup(index->by_beginning, beginning), name, found, data);
        take_apart_by(index, g_hash_table_lookup(index->by_end, name + length), name, found, data);
    }
    take_apart_by(index, index->open, name, found, data);
}
