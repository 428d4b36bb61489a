/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/changed-constants.h"

#include <string.h>

#include "patcher/ctokens.h"

#define MAX_NAME 128

typedef struct {
    char *name;
    const char *body;           /* in the text it is of */
    gsize length;
} Macro;

static void
macro_clear(gpointer macro)
{
    g_free(((Macro *) macro)->name);
}

static gboolean
is_name_byte(char c)
{
    return g_ascii_isalnum(c) || c == '_';
}

/* The end of the line that begins at TEXT. */
static const char *
line_end(const char *text)
{
    return text + strcspn(text, "\n");
}

/* Where the word behind "# define" begins in the line at TEXT; NULL if it is no such line. */
static const char *
defined_name(const char *text)
{
    text += strspn(text, " \t");
    if (*text++ != '#')
        return NULL;
    text += strspn(text, " \t");
    if (!g_str_has_prefix(text, "define") || is_name_byte(text[strlen("define")]))
        return NULL;
    text += strlen("define");
    return text + strspn(text, " \t");
}

/* Reads the macro whose definition begins at TEXT, in line *LINE, which is moved to its last line. The end of its text. */
static const char *
read_macro(const PatchFile *file, const char *name, guint *line, GArray *macros, GHashTable *names)
{
    gsize length = 0;
    guint first = *line;
    const char *end = line_end(name);
    Macro macro;

    while (is_name_byte(name[length]))
        length++;
    while (*end && end[-1] == '\\') {
        end = line_end(end + 1);
        ++*line;
    }
    macro = (Macro) { g_strndup(name, length), name + length, end - name - length };
    if (name[length] != '(' && patch_file_touches(file, first, *line))
        g_hash_table_add(names, g_strdup(macro.name));
    g_array_append_val(macros, macro);
    return end;
}

/* static const unsigned int NAME = */
static void
read_variable(const PatchFile *file, const char *text, guint line, GHashTable *names)
{
    const char *start = g_str_has_prefix(text, "static const ") ? text + strlen("static ") : text;
    const char *equals = strchr(start, '='), *end;

    if (!g_str_has_prefix(start, "const ") || !equals || equals > line_end(start) || !patch_file_touches(file, line, line))
        return;
    for (end = equals; end > start && end[-1] == ' ';)
        end--;
    for (equals = end; equals > start && is_name_byte(equals[-1]);)
        equals--;
    if (end > equals)
        g_hash_table_add(names, g_strndup(equals, end - equals));
}

static void
read_file(const PatchFile *file, const char *text, GArray *macros, GHashTable *names)
{
    guint line = 1;

    while (*text) {
        const char *name = defined_name(text);

        if (name)
            text = read_macro(file, name, &line, macros, names);
        else
            read_variable(file, text, line, names);
        text = line_end(text);
        text += *text == '\n';
        line++;
    }
}

const char *
patch_changed_constants_mentioned(const char *text, gsize length, GHashTable *names)
{
    PatchTokens tokens;
    PatchToken token;

    patch_tokens_init(&tokens, text, length);
    while ((token = patch_tokens_next(&tokens)).kind != PATCH_TOKEN_END) {
        char name[MAX_NAME];
        gpointer known;

        if (token.kind != PATCH_TOKEN_NAME || token.length >= sizeof name)
            continue;
        memcpy(name, token.start, token.length);
        name[token.length] = 0;
        if (g_hash_table_lookup_extended(names, name, &known, NULL))
            return known;
    }
    return NULL;
}

GHashTable *
patch_changed_constants(const PatchFiles *files, GHashTable *texts)
{
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GArray) macros = g_array_new(FALSE, FALSE, sizeof(Macro));
    gboolean added = TRUE;

    g_array_set_clear_func(macros, macro_clear);
    for (guint i = 0; i < files->files->len; i++) {
        const PatchFile *file = files->files->pdata[i];
        const char *text = file->edits ? g_hash_table_lookup(texts, file->path) : NULL;

        if (text)
            read_file(file, text, macros, names);
    }
    while (added && g_hash_table_size(names)) {
        added = FALSE;
        for (guint i = 0; i < macros->len; i++) {
            const Macro *macro = &g_array_index(macros, Macro, i);

            if (!g_hash_table_contains(names, macro->name) &&
                patch_changed_constants_mentioned(macro->body, macro->length, names))
                added |= g_hash_table_add(names, g_strdup(macro->name));
        }
    }
    return names;
}

static void
add_enumeration(GHashTable *names, const PatchStruct *old_type, const PatchStruct *new_type)
{
    for (guint i = 0; i < old_type->members->len; i++) {
        const PatchMember *was = old_type->members->pdata[i], *is = patch_struct_member(new_type, was->name);

        if (is && is->offset != was->offset)
            g_hash_table_add(names, g_strdup(was->name));
    }
}

void
patch_changed_constants_add(GHashTable *names, const PatchDwarf *old_dwarf, const PatchDwarf *new_dwarf)
{
    GHashTableIter iter;
    gpointer name, value;

    if (!old_dwarf || !new_dwarf)
        return;
    g_hash_table_iter_init(&iter, old_dwarf->structs);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        const GPtrArray *old_types = value, *new_types = g_hash_table_lookup(new_dwarf->structs, name);

        for (guint i = 0; new_types && i < old_types->len; i++)
            for (guint j = 0; ((const PatchStruct *) old_types->pdata[i])->is_enum && j < new_types->len; j++)
                add_enumeration(names, old_types->pdata[i], new_types->pdata[j]);
    }
}
