/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/changed-constants.h"

#include <string.h>

#include "patcher/cmacros.h"
#include "patcher/ctokens.h"

#define MAX_NAME 128

/* static const unsigned int NAME = */
static void
read_variable(const PatchFile *file, const char *text, guint line, GHashTable *names)
{
    const char *start = g_str_has_prefix(text, "static const ") ? text + strlen("static ") : text;
    const char *equals = strchr(start, '='), *end;

    if (!g_str_has_prefix(start, "const ") || !equals || equals > patch_line_end(start) || !patch_file_touches(file, line, line))
        return;
    for (end = equals; end > start && end[-1] == ' ';)
        end--;
    for (equals = end; equals > start && patch_is_name_byte(equals[-1]);)
        equals--;
    if (end > equals)
        g_hash_table_add(names, g_strndup(equals, end - equals));
}

static void
read_variables(const PatchFile *file, const char *text, GHashTable *names)
{
    for (guint line = 1; *text; line++) {
        read_variable(file, text, line, names);
        text = patch_line_end(text);
        text += *text == '\n';
    }
}

static void
add_macros(const PatchFile *file, const GArray *macros, GHashTable *names)
{
    for (guint i = 0; i < macros->len; i++) {
        const PatchMacro *macro = &g_array_index(macros, PatchMacro, i);

        if (!macro->has_parameters && patch_file_touches(file, macro->first, macro->last))
            g_hash_table_add(names, g_strdup(macro->name));
    }
}

/* Adds the macros that use NAMES to them. */
static gboolean
spread(const GArray *macros, GHashTable *names)
{
    gboolean added = FALSE;

    for (guint i = 0; i < macros->len; i++) {
        const PatchMacro *macro = &g_array_index(macros, PatchMacro, i);

        if (!g_hash_table_contains(names, macro->name) &&
            patch_changed_constants_mentioned(macro->body, macro->length, names))
            added |= g_hash_table_add(names, g_strdup(macro->name));
    }
    return added;
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
    g_autoptr(GPtrArray) macros = g_ptr_array_new_with_free_func((GDestroyNotify) g_array_unref);
    gboolean added = TRUE;

    for (guint i = 0; i < files->files->len; i++) {
        const PatchFile *file = files->files->pdata[i];
        const char *text = file->edits ? g_hash_table_lookup(texts, file->path) : NULL;

        if (!text)
            continue;
        g_ptr_array_add(macros, patch_cmacros_read(text));
        add_macros(file, macros->pdata[macros->len - 1], names);
        read_variables(file, text, names);
    }
    while (added && g_hash_table_size(names)) {
        added = FALSE;
        for (guint i = 0; i < macros->len; i++)
            added |= spread(macros->pdata[i], names);
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
