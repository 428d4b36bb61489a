/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/cmacros.h"

#include <string.h>

#include "patcher/ctokens.h"

#define MIN_FAMILY 4    /* bytes of a name that others of its family begin with, the underscore included */

static void
macro_clear(gpointer macro)
{
    g_free(((PatchMacro *) macro)->name);
}

/* Where the word behind "# define" begins in the line at TEXT; NULL if it is no such line. */
static const char *
defined_name(const char *text)
{
    text += strspn(text, " \t");
    if (*text++ != '#')
        return NULL;
    text += strspn(text, " \t");
    if (!g_str_has_prefix(text, "define") || patch_is_name_byte(text[strlen("define")]))
        return NULL;
    text += strlen("define");
    return text + strspn(text, " \t");
}

/* The macro NAME, which LINE begins to define. */
static PatchMacro
read_macro(const char *name, guint line)
{
    PatchMacro macro = { .first = line, .last = line };
    gsize length = 0;
    const char *end = patch_line_end(name);

    while (patch_is_name_byte(name[length]))
        length++;
    while (*end && end[-1] == '\\') {
        end = patch_line_end(end + 1);
        macro.last++;
    }
    macro.name = g_strndup(name, length);
    macro.has_parameters = name[length] == '(';
    macro.body = name + length;
    macro.length = end - macro.body;
    return macro;
}

GArray *
patch_cmacros_read(const char *text)
{
    GArray *macros = g_array_new(FALSE, FALSE, sizeof(PatchMacro));
    guint line = 1;

    g_array_set_clear_func(macros, macro_clear);
    while (*text) {
        const char *name = defined_name(text);

        if (name) {
            PatchMacro macro = read_macro(name, line);

            g_array_append_val(macros, macro);
            text = macro.body + macro.length;
            line = macro.last;
        }
        text = patch_line_end(text);
        text += *text == '\n';
        line++;
    }
    return macros;
}

/* ---- Numbers that are given out anew ---- */

gboolean
patch_counts_by_name(const char *name)
{
    static const char *const words[] = { "max", "num", "nr", "number", "count", "cnt", "last", "end", "size", "total", "n" };
    g_autofree char *lower = g_ascii_strdown(name, -1);
    g_auto(GStrv) parts = g_strsplit(lower, "_", -1);

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        if (g_strv_contains((const char *const *) parts, words[i]))
            return TRUE;
    return FALSE;
}

/* What the macro stands for, without space and comments; to be freed. */
static char *
value_of(const PatchMacro *macro)
{
    GString *value = g_string_new(NULL);
    PatchTokens tokens;
    PatchToken token;

    patch_tokens_init(&tokens, macro->body, macro->length);
    while ((token = patch_tokens_next(&tokens)).kind != PATCH_TOKEN_END)
        g_string_append_len(value, token.start, token.length);
    return g_string_free(value, FALSE);
}

/* The only macro NAME; NULL if there is none, several, or it has parameters. */
static const PatchMacro *
only(const GArray *macros, const char *name)
{
    const PatchMacro *found = NULL;

    for (guint i = 0; i < macros->len; i++) {
        const PatchMacro *macro = &g_array_index(macros, PatchMacro, i);

        if (!g_str_equal(macro->name, name))
            continue;
        if (found || macro->has_parameters)
            return NULL;
        found = macro;
    }
    return found;
}

static gboolean
is_defined(const GArray *macros, const char *name)
{
    for (guint i = 0; i < macros->len; i++)
        if (g_str_equal(g_array_index(macros, PatchMacro, i).name, name))
            return TRUE;
    return FALSE;
}

/* Whether both names begin with the same words. */
static gboolean
is_of_family(const char *name, const char *other)
{
    gsize family = 0;

    for (gsize i = 0; name[i] && name[i] == other[i]; i++)
        if (name[i] == '_')
            family = i + 1;
    return family >= MIN_FAMILY;
}

/* The macro of NEW_MACROS that is new, of NAME's family, and has VALUE; NULL if there is none. */
static const PatchMacro *
new_owner(const GArray *old_macros, const GArray *new_macros, const char *name, const char *value)
{
    for (guint i = 0; i < new_macros->len; i++) {
        const PatchMacro *macro = &g_array_index(new_macros, PatchMacro, i);
        g_autofree char *its = is_of_family(name, macro->name) && !is_defined(old_macros, macro->name) ? value_of(macro) : NULL;

        if (its && g_str_equal(its, value))
            return macro;
    }
    return NULL;
}

char *
patch_cmacros_renumbered(const char *old_text, const char *new_text, char **name)
{
    g_autoptr(GArray) old_macros = patch_cmacros_read(old_text), new_macros = patch_cmacros_read(new_text);

    for (guint i = 0; i < old_macros->len; i++) {
        const PatchMacro *macro = &g_array_index(old_macros, PatchMacro, i);
        const PatchMacro *was = only(old_macros, macro->name), *is = was ? only(new_macros, macro->name) : NULL, *other;
        g_autofree char *old_value = is ? value_of(was) : NULL, *new_value = is ? value_of(is) : NULL;

        if (!is || patch_counts_by_name(macro->name) || g_str_equal(old_value, new_value) || !strpbrk(old_value, "0123456789"))
            continue;
        other = new_owner(old_macros, new_macros, macro->name, old_value);
        if (!other)
            continue;
        *name = g_strdup(macro->name);
        return g_strdup_printf("the constant %s goes from %s to %s, and %s has its value: where a running kernel's memory "
                               "holds it, it would be taken for another: leave those that are there as they are, and put new "
                               "ones at the end", macro->name, old_value, new_value, other->name);
    }
    return NULL;
}
