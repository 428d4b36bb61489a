/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/constructs.h"

#include <string.h>

#include "patcher/construct-names.h"
#include "patcher/ctokens.h"

#define MAX_NESTED 64           /* #if in #if */

typedef struct {
    guint64 hash;
    guint braces, parens;       /* open where the #if stands: #else begins there again */
    GArray *ids;
} Condition;

typedef struct {
    PatchConstructs *all;
    PatchTokens tokens;
    guint32 file;
    Condition conditions[MAX_NESTED];
    guint n_conditions;
    guint braces, parens;       /* open */
    /* Of the construct being read: */
    guint64 hash;
    GArray *mentions, *members, *defines;   /* of guint32 */
    gint64 last;                /* the last name outside of all brackets that is no keyword; -1: none */
    gint64 tag;                 /* the one behind struct, union or enum */
    guint n_names;              /* outside of all brackets, but for storage classes */
    gboolean is_typedef, is_extern, is_inline, is_enum, is_function, is_invocation, is_assembly, is_macro, has_body;
    gboolean has_variable, wants_tag, wants_enumerator, after_star, has_begun;
    gint64 argument;            /* of an invocation: the only name in it so far; -1: there is none, or more */
    gboolean begins_argument;
    gboolean after_open_star;   /* the last star stood right behind a bracket */
    gboolean has_pointer_name;  /* the NAME of (*NAME) was met: other stars in brackets are those of parameters */
    PatchToken before, earlier; /* the token before this one, and the one before that */
} Reader;

static guint64
mix(guint64 hash, const char *bytes, gsize length)
{
    for (gsize i = 0; i < length; i++)
        hash = (hash ^ (guint8) bytes[i]) * G_GUINT64_CONSTANT(0x100000001b3);
    return (hash ^ 0xff) * G_GUINT64_CONSTANT(0x100000001b3);
}

/* --- One construct after the other */

static void
begin(Reader *reader)
{
    reader->hash = G_GUINT64_CONSTANT(0xcbf29ce484222325);
    g_array_set_size(reader->mentions, 0);
    g_array_set_size(reader->members, 0);
    g_array_set_size(reader->defines, 0);
    reader->last = reader->tag = -1;
    reader->n_names = 0;
    reader->braces = reader->parens = 0;
    reader->is_typedef = reader->is_extern = reader->is_inline = reader->is_enum = FALSE;
    reader->is_function = reader->is_invocation = reader->is_assembly = reader->has_body = FALSE;
    reader->has_variable = reader->wants_tag = reader->wants_enumerator = FALSE;
    reader->after_star = reader->has_begun = reader->begins_argument = reader->has_pointer_name = FALSE;
    reader->argument = -1;
}

static void
finish(Reader *reader, gboolean emits)
{
    PatchConstruct construct = { .hash = reader->hash, .file = reader->file, .emits = emits, .is_macro = reader->is_macro };

    construct.is_invocation = reader->is_invocation && !reader->has_body;
    for (guint i = 0; i < reader->n_conditions; i++) {
        const Condition *condition = &reader->conditions[i];

        construct.hash = mix(construct.hash, (const char *) &condition->hash, sizeof condition->hash);
        g_array_append_vals(reader->mentions, condition->ids->data, condition->ids->len);
    }
    construct.defines = reader->all->ids->len;
    construct.n_defines = patch_constructs_keep(reader->all, reader->defines);
    construct.mentions = reader->all->ids->len;
    construct.n_mentions = patch_constructs_keep(reader->all, reader->mentions);
    construct.members = reader->all->ids->len;
    construct.n_members = patch_constructs_keep(reader->all, reader->members);
    g_array_append_val(reader->all->constructs, construct);
    begin(reader);
}

static void
define(Reader *reader, gint64 name)
{
    guint32 id = (guint32) name;

    if (name >= 0)
        g_array_append_val(reader->defines, id);
}

/* The name of a variable, type or field ends here. */
static void
end_declarator(Reader *reader)
{
    if (reader->is_function || reader->is_invocation || reader->last < 0)
        return;
    define(reader, reader->last);
    reader->has_variable = reader->has_variable || !reader->is_typedef;
    reader->last = -1;
    reader->has_pointer_name = FALSE;
}

static void
end_statement(Reader *reader)
{
    gboolean is_type = reader->is_typedef || (reader->has_body && !reader->has_variable);

    end_declarator(reader);
    finish(reader, reader->is_assembly || reader->is_invocation ||
           (!is_type && !reader->is_extern && !reader->is_function && reader->has_variable));
}

/* --- Tokens outside of all brackets, and inside */

static void
read_keyword(Reader *reader, const PatchToken *token)
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
        reader->is_enum = patch_token_is(token, "enum");
        reader->n_names++;
    } else if (!patch_token_is(token, "static") && !patch_token_is(token, "const")) {
        reader->n_names++;
    }
}

/* Behind a dot or an arrow. */
static gboolean
is_member(const Reader *reader)
{
    char c = reader->before.kind == PATCH_TOKEN_OTHER ? *reader->before.start : 0;

    return c == '.' || (c == '>' && reader->earlier.kind == PATCH_TOKEN_OTHER && *reader->earlier.start == '-');
}

static void
read_name(Reader *reader, const PatchToken *token)
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
        define(reader, id);
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
begin_invocation(Reader *reader)
{
    guint32 id = g_array_index(reader->mentions, guint32, reader->mentions->len - 1);

    g_array_set_size(reader->mentions, reader->mentions->len - 1);
    finish(reader, TRUE);
    reader->hash = mix(reader->hash, reader->before.start, reader->before.length);
    reader->has_begun = TRUE;
    g_array_append_val(reader->mentions, id);
    reader->last = id;
    reader->n_names = 1;
}

static void
open_paren(Reader *reader, const PatchToken *before)
{
    gboolean behind_name = before->kind == PATCH_TOKEN_NAME &&
                           !patch_constructs_is_keyword(patch_constructs_number(reader->all, before->start, before->length));

    if (!reader->braces && !reader->parens && behind_name && reader->is_invocation && is_upper(before))
        begin_invocation(reader);
    if (!reader->braces && !reader->parens && behind_name && reader->last >= 0 && !reader->is_function) {
        if (reader->n_names == 1)
            reader->is_invocation = TRUE;
        else
            define(reader, reader->last);
        reader->is_function = reader->n_names > 1;
    }
    reader->parens++;
}

static void
open_brace(Reader *reader)
{
    if (!reader->braces && !reader->parens) {
        reader->has_body = TRUE;
        if (!reader->is_function && !reader->is_invocation && !reader->has_variable)
            define(reader, reader->tag);
        reader->wants_enumerator = reader->is_enum;
        reader->wants_tag = FALSE;
    }
    reader->braces++;
}

/* What an invocation defines is among the arguments that are single names. */
static void
read_argument(Reader *reader, char c)
{
    gboolean is_argument = reader->is_invocation && reader->parens == 1 && !reader->braces;

    if (is_argument && (c == ',' || c == ')'))
        define(reader, reader->argument);
    reader->argument = -1;
    reader->begins_argument = (c == ',' && is_argument) || (c == '(' && !reader->parens && !reader->braces);
}

/* Returns whether the construct ends here: the body of a function. */
static gboolean
close_brace(Reader *reader)
{
    if (reader->braces)
        reader->braces--;
    return !reader->braces && !reader->parens && (reader->is_function || reader->is_invocation);
}

/* In the body of a structure, a name between its type, or a star, and what ends it (END) is that of a member. */
static void
end_member(Reader *reader, char end)
{
    const PatchToken *earlier = &reader->earlier;
    gboolean is_callback = end == ')' && reader->parens == 1 && reader->after_open_star;
    gboolean in_type = reader->braces && (!reader->parens || is_callback) && !reader->is_function && !reader->is_invocation &&
                       !reader->is_enum && !reader->has_variable;
    gboolean is_tag = patch_token_is(earlier, "struct") || patch_token_is(earlier, "union") || patch_token_is(earlier, "enum");
    gboolean follows_type = (earlier->kind == PATCH_TOKEN_NAME && !is_tag) ||
                            (earlier->kind == PATCH_TOKEN_OTHER && *earlier->start == '*');

    if (!in_type || !follows_type || reader->before.kind != PATCH_TOKEN_NAME || !reader->mentions->len)
        return;
    g_array_append_val(reader->members, g_array_index(reader->mentions, guint32, reader->mentions->len - 1));
    g_array_set_size(reader->mentions, reader->mentions->len - 1);
}

static void
read_other(Reader *reader, const PatchToken *token)
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
            finish(reader, !reader->is_inline);
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
            end_statement(reader);
        break;
    default:
        break;
    }
}

/* --- Directives */

/* The rest of the line: its names and its hash. */
static PatchToken
read_line(Reader *reader, GArray *ids, guint64 *hash)
{
    PatchToken token;

    while ((token = patch_tokens_next(&reader->tokens)).kind != PATCH_TOKEN_LINE && token.kind != PATCH_TOKEN_END) {
        guint32 id;

        *hash = mix(*hash, token.start, token.length);
        if (token.kind != PATCH_TOKEN_NAME)
            continue;
        id = patch_constructs_number(reader->all, token.start, token.length);
        g_array_append_val(ids, id);
    }
    return token;
}

/* The parameters of a macro, from behind its name on: a bracket that nothing stands before. Names of GONE are not meant
 * by what follows. */
static void
read_parameters(Reader *reader, const PatchToken *name, GArray *gone)
{
    PatchTokens tokens = reader->tokens;
    PatchToken token = patch_tokens_next(&tokens);

    if (token.kind != PATCH_TOKEN_OTHER || *token.start != '(' || token.start != name->start + name->length)
        return;
    while ((token = patch_tokens_next(&tokens)).kind == PATCH_TOKEN_NAME || (token.kind == PATCH_TOKEN_OTHER && *token.start != ')')) {
        guint32 id = token.kind == PATCH_TOKEN_NAME ? patch_constructs_number(reader->all, token.start, token.length) : 0;

        if (token.kind == PATCH_TOKEN_NAME)
            g_array_append_val(gone, id);
    }
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
read_define(Reader *reader)
{
    Reader inner = { .all = reader->all, .tokens = reader->tokens, .file = reader->file, .is_macro = TRUE };
    g_autoptr(GArray) parameters = g_array_new(FALSE, FALSE, sizeof(guint32));
    PatchToken name;

    inner.mentions = g_array_new(FALSE, FALSE, sizeof(guint32));
    inner.members = g_array_new(FALSE, FALSE, sizeof(guint32));
    inner.defines = g_array_new(FALSE, FALSE, sizeof(guint32));
    begin(&inner);
    name = patch_tokens_next(&inner.tokens);
    if (name.kind == PATCH_TOKEN_NAME) {
        guint32 id = patch_constructs_number(inner.all, name.start, name.length);

        inner.hash = mix(inner.hash, "#define", strlen("#define"));
        inner.hash = mix(inner.hash, name.start, name.length);
        define(&inner, id);
        read_parameters(&inner, &name, parameters);
        read_line(&inner, inner.mentions, &inner.hash);
        remove_all(inner.mentions, parameters);
        memcpy(inner.conditions, reader->conditions, sizeof inner.conditions);
        inner.n_conditions = reader->n_conditions;
        finish(&inner, FALSE);
    } else if (name.kind != PATCH_TOKEN_LINE) {
        read_line(&inner, inner.mentions, &inner.hash);
    }
    reader->tokens = inner.tokens;
    g_array_unref(inner.mentions);
    g_array_unref(inner.members);
    g_array_unref(inner.defines);
}

/* A construct depends on the conditions within it, too. */
static void
note_condition(Reader *reader, const Condition *condition)
{
    if (!reader->has_begun)
        return;
    g_array_append_vals(reader->mentions, condition->ids->data, condition->ids->len);
    reader->hash = mix(reader->hash, (const char *) &condition->hash, sizeof condition->hash);
}

static void
open_condition(Reader *reader, const PatchToken *word)
{
    Condition *condition;

    if (reader->n_conditions == MAX_NESTED)
        return;
    condition = &reader->conditions[reader->n_conditions++];
    condition->hash = mix(0, word->start, word->length);
    condition->braces = reader->braces;
    condition->parens = reader->parens;
    condition->ids = g_array_new(FALSE, FALSE, sizeof(guint32));
    read_line(reader, condition->ids, &condition->hash);
    note_condition(reader, condition);
}

/* #else: what follows stands where the #if stood. */
static void
turn_condition(Reader *reader, const PatchToken *word)
{
    Condition *condition = reader->n_conditions ? &reader->conditions[reader->n_conditions - 1] : NULL;

    if (!condition)
        return;
    condition->hash = mix(condition->hash, word->start, word->length);
    if (!patch_token_is(word, "else"))
        read_line(reader, condition->ids, &condition->hash);
    note_condition(reader, condition);
    reader->braces = condition->braces;
    reader->parens = condition->parens;
}

static void
close_condition(Reader *reader)
{
    if (reader->n_conditions)
        g_array_unref(reader->conditions[--reader->n_conditions].ids);
}

static void
read_directive(Reader *reader)
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
    g_autoptr(GArray) defines = g_array_new(FALSE, FALSE, sizeof(guint32));
    Reader reader = { .all = constructs, .file = file, .mentions = mentions, .members = members, .defines = defines };
    PatchToken token;

    patch_tokens_init(&reader.tokens, text, length);
    begin(&reader);
    while ((token = patch_tokens_next(&reader.tokens)).kind != PATCH_TOKEN_END) {
        if (token.kind == PATCH_TOKEN_DIRECTIVE) {
            read_directive(&reader);
            continue;
        }
        reader.hash = mix(reader.hash, token.start, token.length);
        if (token.kind == PATCH_TOKEN_NAME)
            read_name(&reader, &token);
        else
            read_other(&reader, &token);
        reader.has_begun = TRUE;
        reader.after_star = *token.start == '*';
        reader.earlier = reader.before;
        reader.before = token;
    }
    if (mentions->len + members->len)
        end_statement(&reader);
    while (reader.n_conditions)
        close_condition(&reader);
}
