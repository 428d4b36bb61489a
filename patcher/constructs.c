/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/constructs.h"

#include <string.h>

#include "patcher/construct-names.h"
#include "patcher/construct-reader.h"
#include "patcher/pastes.h"

/* The rest of the line: its names and its hash. */
static PatchToken
read_line(PatchConstructReader *reader, GArray *ids, guint64 *hash)
{
    PatchToken token;

    while ((token = patch_tokens_next(&reader->tokens)).kind != PATCH_TOKEN_LINE && token.kind != PATCH_TOKEN_END) {
        guint32 id;

        *hash = patch_construct_mix(*hash, token.start, token.length);
        if (token.kind != PATCH_TOKEN_NAME)
            continue;
        id = patch_constructs_number(reader->all, token.start, token.length);
        g_array_append_val(ids, id);
    }
    return token;
}

static void
remove_all(GArray *ids, const GArray *gone)
{
    for (guint i = 0; i < gone->len; i++)
        for (guint j = ids->len; j > 0; j--)
            if (g_array_index(ids, guint32, j - 1) == g_array_index(gone, guint32, i))
                g_array_remove_index_fast(ids, j - 1);
}

/* A macro is a construct of its own, also where it stands within another one. */
static void
read_define(PatchConstructReader *reader)
{
    PatchConstructReader inner = { .all = reader->all, .tokens = reader->tokens, .file = reader->file, .is_macro = TRUE };
    g_autoptr(GArray) parameters = g_array_new(FALSE, FALSE, sizeof(guint32));
    PatchToken name;

    inner.mentions = g_array_new(FALSE, FALSE, sizeof(guint32));
    inner.members = g_array_new(FALSE, FALSE, sizeof(guint32));
    inner.declared = g_array_new(FALSE, FALSE, sizeof(guint32));
    inner.defines = g_array_new(FALSE, FALSE, sizeof(guint32));
    patch_construct_begin(&inner);
    name = patch_tokens_next(&inner.tokens);
    if (name.kind == PATCH_TOKEN_NAME) {
        guint32 id = patch_constructs_number(inner.all, name.start, name.length);

        inner.hash = patch_construct_mix(inner.hash, "#define", strlen("#define"));
        inner.hash = patch_construct_mix(inner.hash, name.start, name.length);
        patch_construct_define(&inner, id);
        patch_pastes_read_parameters(inner.all, inner.tokens, &name, parameters);
        patch_pastes_read(inner.all, inner.tokens, id, parameters, inner.all->pastes);
        read_line(&inner, inner.mentions, &inner.hash);
        remove_all(inner.mentions, parameters);
        memcpy(inner.conditions, reader->conditions, sizeof inner.conditions);
        inner.n_conditions = reader->n_conditions;
        patch_construct_finish(&inner, FALSE);
    } else if (name.kind != PATCH_TOKEN_LINE) {
        read_line(&inner, inner.mentions, &inner.hash);
    }
    reader->tokens = inner.tokens;
    g_array_unref(inner.mentions);
    g_array_unref(inner.members);
    g_array_unref(inner.declared);
    g_array_unref(inner.defines);
}

/* A construct depends on the conditions within it, too. */
static void
note_condition(PatchConstructReader *reader, const PatchCondition *condition)
{
    if (!reader->has_begun)
        return;
    g_array_append_vals(reader->mentions, condition->ids->data, condition->ids->len);
    reader->is_unsettled = reader->is_unsettled || !condition->is_settled;
    reader->hash = patch_construct_mix(reader->hash, (const char *) &condition->hash, sizeof condition->hash);
}

static void
open_condition(PatchConstructReader *reader, const PatchToken *word)
{
    PatchCondition *condition;

    if (reader->n_conditions == PATCH_MAX_CONDITIONS)
        return;
    condition = &reader->conditions[reader->n_conditions++];
    condition->hash = patch_construct_mix(0, word->start, word->length);
    condition->braces = reader->braces;
    condition->parens = reader->parens;
    condition->ids = g_array_new(FALSE, FALSE, sizeof(guint32));
    read_line(reader, condition->ids, &condition->hash);
    condition->is_settled = patch_constructs_are_settings(reader->all, condition->ids);
    note_condition(reader, condition);
}

/* #else: what follows stands where the #if stood. */
static void
turn_condition(PatchConstructReader *reader, const PatchToken *word)
{
    PatchCondition *condition = reader->n_conditions ? &reader->conditions[reader->n_conditions - 1] : NULL;

    if (!condition)
        return;
    condition->hash = patch_construct_mix(condition->hash, word->start, word->length);
    if (!patch_token_is(word, "else"))
        read_line(reader, condition->ids, &condition->hash);
    condition->is_settled = patch_constructs_are_settings(reader->all, condition->ids);
    note_condition(reader, condition);
    reader->braces = condition->braces;
    reader->parens = condition->parens;
}

static void
close_condition(PatchConstructReader *reader)
{
    if (reader->n_conditions)
        g_array_unref(reader->conditions[--reader->n_conditions].ids);
}

static void
read_directive(PatchConstructReader *reader)
{
    PatchToken word = patch_tokens_next(&reader->tokens);
    g_autoptr(GArray) ignored = g_array_new(FALSE, FALSE, sizeof(guint32));
    guint64 hash = 0;

    if (word.kind == PATCH_TOKEN_LINE || word.kind == PATCH_TOKEN_END)
        return;
    if (patch_token_is(&word, "define"))
        read_define(reader);
    else if (patch_token_is(&word, "if") || patch_token_is(&word, "ifdef") || patch_token_is(&word, "ifndef"))
        open_condition(reader, &word);
    else if (patch_token_is(&word, "else") || patch_token_is(&word, "elif"))
        turn_condition(reader, &word);
    else if (patch_token_is(&word, "endif"))
        close_condition(reader);
    if (reader->tokens.in_directive)
        read_line(reader, ignored, &hash);
}

void
patch_constructs_add(PatchConstructs *constructs, guint32 file, const char *text, gsize length)
{
    g_autoptr(GArray) mentions = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GArray) members = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GArray) declared = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GArray) defines = g_array_new(FALSE, FALSE, sizeof(guint32));
    PatchConstructReader reader = {
        .all = constructs, .file = file, .mentions = mentions, .members = members, .declared = declared, .defines = defines,
    };
    PatchToken token;

    patch_tokens_init(&reader.tokens, text, length);
    patch_construct_begin(&reader);
    while ((token = patch_tokens_next(&reader.tokens)).kind != PATCH_TOKEN_END) {
        if (token.kind == PATCH_TOKEN_DIRECTIVE) {
            read_directive(&reader);
            continue;
        }
        reader.hash = patch_construct_mix(reader.hash, token.start, token.length);
        if (token.kind == PATCH_TOKEN_NAME)
            patch_construct_read_name(&reader, &token);
        else
            patch_construct_read_other(&reader, &token);
        reader.has_begun = TRUE;
        reader.after_star = *token.start == '*';
        reader.earlier = reader.before;
        reader.before = token;
    }
    if (mentions->len + members->len + declared->len)
        patch_construct_end_statement(&reader);
    while (reader.n_conditions)
        close_condition(&reader);
}
