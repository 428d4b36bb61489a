/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/construct-reader.h"

#include <string.h>

#include "patcher/construct-names.h"

guint64
patch_construct_mix(guint64 hash, const char *bytes, gsize length)
{
    for (gsize i = 0; i < length; i++)
        hash = (hash ^ (guint8) bytes[i]) * G_GUINT64_CONSTANT(0x100000001b3);
    return (hash ^ 0xff) * G_GUINT64_CONSTANT(0x100000001b3);
}

/* --- One construct after the other */

void
patch_construct_begin(PatchConstructReader *reader)
{
    reader->hash = G_GUINT64_CONSTANT(0xcbf29ce484222325);
    g_array_set_size(reader->mentions, 0);
    g_array_set_size(reader->members, 0);
    g_array_set_size(reader->declared, 0);
    g_array_set_size(reader->defines, 0);
    reader->last = reader->tag = reader->type = -1;
    reader->n_names = 0;
    reader->braces = reader->parens = 0;
    reader->is_typedef = reader->is_extern = reader->is_inline = reader->is_enum = FALSE;
    reader->is_union = reader->is_unsettled = FALSE;
    reader->is_function = reader->is_invocation = reader->is_assembly = reader->has_body = FALSE;
    reader->is_followed = FALSE;
    reader->has_variable = reader->wants_tag = reader->wants_enumerator = FALSE;
    reader->after_star = reader->has_begun = reader->begins_argument = reader->has_pointer_name = FALSE;
    reader->argument = -1;
}

void
patch_construct_finish(PatchConstructReader *reader, gboolean emits)
{
    PatchConstruct construct = { .hash = reader->hash, .file = reader->file, .emits = emits, .is_macro = reader->is_macro };

    construct.is_invocation = reader->is_invocation && !reader->has_body;
    construct.type = reader->is_function || reader->is_invocation || reader->has_variable ? -1 : reader->type;
    construct.is_enum = reader->is_enum;
    construct.is_union = reader->is_union;
    construct.is_settled = !reader->is_unsettled;
    for (guint i = 0; i < reader->n_conditions; i++) {
        const PatchCondition *condition = &reader->conditions[i];

        construct.is_settled = construct.is_settled && condition->is_settled;
        construct.hash = patch_construct_mix(construct.hash, (const char *) &condition->hash, sizeof condition->hash);
        g_array_append_vals(reader->mentions, condition->ids->data, condition->ids->len);
    }
    construct.defines = reader->all->ids->len;
    construct.n_defines = patch_constructs_keep(reader->all, reader->defines);
    construct.mentions = reader->all->ids->len;
    construct.n_mentions = patch_constructs_keep(reader->all, reader->mentions);
    construct.members = reader->all->ids->len;
    construct.n_members = patch_constructs_keep(reader->all, reader->members);
    construct.declared = reader->all->ids->len;
    construct.n_declared = patch_constructs_keep(reader->all, reader->declared);
    g_array_append_val(reader->all->constructs, construct);
    patch_construct_begin(reader);
}

void
patch_construct_define(PatchConstructReader *reader, gint64 name)
{
    guint32 id = (guint32) name;

    if (name >= 0)
        g_array_append_val(reader->defines, id);
}

/* The name of a variable, type or field ends here. */
static void
end_declarator(PatchConstructReader *reader)
{
    if (reader->is_function || (reader->is_invocation && !reader->is_followed) || reader->last < 0)
        return;
    patch_construct_define(reader, reader->last);
    reader->has_variable = reader->has_variable || !reader->is_typedef;
    reader->last = -1;
    reader->has_pointer_name = FALSE;
}

void
patch_construct_end_statement(PatchConstructReader *reader)
{
    gboolean is_type = reader->is_typedef || (reader->has_body && !reader->has_variable);

    end_declarator(reader);
    patch_construct_finish(reader, reader->is_assembly || reader->is_invocation ||
           (!is_type && !reader->is_extern && !reader->is_function && reader->has_variable));
}

/* --- Tokens outside of all brackets, and inside */

static void
read_keyword(PatchConstructReader *reader, const PatchToken *token)
{
    if (patch_token_is(token, "typedef"))
        reader->is_typedef = TRUE;
    else if (patch_token_is(token, "extern"))
        reader->is_extern = TRUE;
    else if (patch_token_is(token, "inline") || patch_token_is(token, "__inline__") ||
             patch_token_is(token, "__inline") || patch_token_is(token, "__always_inline"))
        reader->is_inline = TRUE;
    else if (patch_token_is(token, "asm") || patch_token_is(token, "__asm__"))
        reader->is_assembly = reader->n_names == 0;
    else if (patch_token_is(token, "struct") || patch_token_is(token, "union") || patch_token_is(token, "enum")) {
        reader->wants_tag = TRUE;
        reader->is_followed = reader->is_invocation;
        reader->is_enum = patch_token_is(token, "enum");
        reader->is_union = patch_token_is(token, "union");
        reader->n_names++;
    } else if (!patch_token_is(token, "static") && !patch_token_is(token, "const")) {
        reader->n_names++;
    }
}

/* Behind a dot or an arrow. */
static gboolean
is_member(const PatchConstructReader *reader)
{
    char c = reader->before.kind == PATCH_TOKEN_OTHER ? *reader->before.start : 0;

    return c == '.' || (c == '>' && reader->earlier.kind == PATCH_TOKEN_OTHER && *reader->earlier.start == '-');
}

void
patch_construct_read_name(PatchConstructReader *reader, const PatchToken *token)
{
    guint32 id = patch_constructs_number(reader->all, token->start, token->length);
    gboolean is_outside = !reader->braces && !reader->parens;

    if (is_member(reader)) {
        g_array_append_val(reader->members, id);
        reader->argument = -1;
        reader->begins_argument = FALSE;
        return;
    }
    g_array_append_val(reader->mentions, id);
    if (reader->wants_enumerator && reader->braces == 1 && !reader->parens)
        patch_construct_define(reader, id);
    reader->wants_enumerator = FALSE;
    /* typedef int (*NAME)(...), int (*NAME)(...) */
    if (reader->parens == 1 && !reader->braces && reader->after_star && !reader->is_function && !reader->has_pointer_name &&
        !reader->is_invocation && !patch_constructs_is_keyword(id)) {
        reader->last = id;
        reader->has_pointer_name = TRUE;
    }
    reader->argument = reader->begins_argument ? (gint64) id : -1;
    reader->begins_argument = FALSE;
    if (!is_outside)
        return;
    if (patch_constructs_is_keyword(id)) {
        read_keyword(reader, token);
        return;
    }
    /* An invocation may end without a semicolon, before anything. */
    reader->is_followed = reader->is_invocation;
    if (reader->wants_tag)
        reader->tag = id;
    else
        reader->last = id;
    reader->wants_tag = FALSE;
    reader->n_names++;
}

static gboolean
is_upper(const PatchToken *name)
{
    for (gsize i = 0; i < name->length; i++)
        if (g_ascii_islower(name->start[i]))
            return FALSE;
    return TRUE;
}

/* An invocation may end without a semicolon; the name that was read last begins another one. */
static void
begin_invocation(PatchConstructReader *reader)
{
    guint32 id = g_array_index(reader->mentions, guint32, reader->mentions->len - 1);

    g_array_set_size(reader->mentions, reader->mentions->len - 1);
    patch_construct_finish(reader, TRUE);
    reader->hash = patch_construct_mix(reader->hash, reader->before.start, reader->before.length);
    reader->has_begun = TRUE;
    g_array_append_val(reader->mentions, id);
    reader->last = id;
    reader->n_names = 1;
}

static void
open_paren(PatchConstructReader *reader, const PatchToken *before)
{
    gboolean behind_name = before->kind == PATCH_TOKEN_NAME &&
                           !patch_constructs_is_keyword(patch_constructs_number(reader->all, before->start, before->length));

    if (!reader->braces && !reader->parens && behind_name && reader->is_invocation && is_upper(before))
        begin_invocation(reader);
    if (!reader->braces && !reader->parens && behind_name && reader->last >= 0 && !reader->is_function) {
        reader->is_function = reader->n_names > 1;
        reader->is_invocation = reader->is_invocation || !reader->is_function;
        if (reader->is_function)
            patch_construct_define(reader, reader->last);
        else
            reader->last = -1;
    }
    reader->parens++;
}

static void
open_brace(PatchConstructReader *reader)
{
    if (!reader->braces && !reader->parens) {
        reader->has_body = TRUE;
        if (!reader->is_function && (!reader->is_invocation || reader->is_followed) && !reader->has_variable) {
            patch_construct_define(reader, reader->tag);
            reader->type = reader->tag;
        }
        reader->wants_enumerator = reader->is_enum;
        reader->wants_tag = FALSE;
    }
    reader->braces++;
}

/* What an invocation defines is among the arguments that are single names. */
static void
read_argument(PatchConstructReader *reader, char c)
{
    gboolean is_argument = reader->is_invocation && reader->parens == 1 && !reader->braces;

    if (is_argument && (c == ',' || c == ')'))
        patch_construct_define(reader, reader->argument);
    reader->argument = -1;
    reader->begins_argument = (c == ',' && is_argument) || (c == '(' && !reader->parens && !reader->braces);
}

/* Returns whether the construct ends here: the body of a function. */
static gboolean
close_brace(PatchConstructReader *reader)
{
    if (reader->braces)
        reader->braces--;
    return !reader->braces && !reader->parens && (reader->is_function || (reader->is_invocation && !reader->is_followed));
}

/* In the body of a structure, a name between its type, or a star, and what ends it (END) is that of a member. */
static void
end_member(PatchConstructReader *reader, char end)
{
    const PatchToken *earlier = &reader->earlier;
    gboolean follows_star = earlier->kind == PATCH_TOKEN_OTHER && *earlier->start == '*';
    gboolean is_callback = end == ')' && reader->parens == 1 && reader->after_open_star && follows_star;
    gboolean in_type = reader->braces && (!reader->parens || is_callback) && !reader->is_function && !reader->is_invocation &&
                       !reader->is_enum && !reader->has_variable;
    gboolean is_tag = patch_token_is(earlier, "struct") || patch_token_is(earlier, "union") || patch_token_is(earlier, "enum");
    gboolean follows_type = (earlier->kind == PATCH_TOKEN_NAME && !is_tag) || follows_star;

    if (!in_type || !follows_type || reader->before.kind != PATCH_TOKEN_NAME || !reader->mentions->len)
        return;
    g_array_append_val(reader->declared, g_array_index(reader->mentions, guint32, reader->mentions->len - 1));
    g_array_set_size(reader->mentions, reader->mentions->len - 1);
}

void
patch_construct_read_other(PatchConstructReader *reader, const PatchToken *token)
{
    char c = *token->start;
    gboolean is_outside = !reader->braces && !reader->parens;

    read_argument(reader, c);
    if (strchr(reader->parens ? ")" : ";,[:", c))
        end_member(reader, c);
    if (c == '*')
        reader->after_open_star = reader->before.kind == PATCH_TOKEN_OTHER && *reader->before.start == '(';
    switch (c) {
    case '(':
        open_paren(reader, &reader->before);
        break;
    case ')':
        reader->parens -= reader->parens ? 1 : 0;
        break;
    case '{':
        open_brace(reader);
        break;
    case '}':
        if (close_brace(reader))
            patch_construct_finish(reader, !reader->is_inline);
        break;
    case ',':
        reader->wants_enumerator = reader->is_enum && reader->braces == 1 && !reader->parens;
        /* fall through */
    case '=':
    case '[':
        if (is_outside)
            end_declarator(reader);
        break;
    case ';':
        if (is_outside)
            patch_construct_end_statement(reader);
        break;
    default:
        break;
    }
}
