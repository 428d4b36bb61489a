/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "patcher/construct-names.h"
#include "patcher/constructs.h"
#include "patcher/ctokens.h"

#define MIN_STEM 4              /* bytes; shorter arguments are in too many names */

static void
count_hashes(PatchConstructs *constructs, guint32 file, GHashTable *counts)
{
    for (guint i = 0; i < constructs->constructs->len; i++) {
        PatchConstruct *construct = &g_array_index(constructs->constructs, PatchConstruct, i);
        guint n;

        if (construct->file != file)
            continue;
        n = GPOINTER_TO_UINT(g_hash_table_lookup(counts, &construct->hash));
        g_hash_table_insert(counts, &construct->hash, GUINT_TO_POINTER(n + 1));
    }
}

static guint
taint_others(PatchConstructs *constructs, guint32 file, GHashTable *counts)
{
    guint tainted = 0;

    for (guint i = 0; i < constructs->constructs->len; i++) {
        PatchConstruct *construct = &g_array_index(constructs->constructs, PatchConstruct, i);
        guint n;

        if (construct->file != file)
            continue;
        n = GPOINTER_TO_UINT(g_hash_table_lookup(counts, &construct->hash));
        if (n)
            g_hash_table_insert(counts, &construct->hash, GUINT_TO_POINTER(n - 1));
        construct->is_tainted = construct->is_tainted || !n;
        tainted += !n;
    }
    return tainted;
}

guint
patch_constructs_taint_changed(PatchConstructs *constructs, guint32 old_file, guint32 new_file)
{
    g_autoptr(GHashTable) old_counts = g_hash_table_new(g_int64_hash, g_int64_equal);
    g_autoptr(GHashTable) new_counts = g_hash_table_new(g_int64_hash, g_int64_equal);

    count_hashes(constructs, old_file, old_counts);
    count_hashes(constructs, new_file, new_counts);
    return taint_others(constructs, new_file, old_counts) + taint_others(constructs, old_file, new_counts);
}

/* How a name is tainted. */
enum { AS_NAME = 1, AS_MACRO = 2, AS_MEMBER = 4 };

/* A macro may make NAME, as raw_cpu_read_4, of what it is given, as raw_cpu_read_, and a number. */
static void
taint_stem(const PatchConstructs *constructs, const char *name, guint8 *tainted, GHashTable *names)
{
    gsize length = strlen(name);
    g_autofree char *stem = NULL;
    gpointer stored, id;

    while (length && g_ascii_isdigit(name[length - 1]))
        length--;
    if (!name[length] || !length || name[length - 1] != '_')
        return;
    stem = g_strndup(name, length);
    if (!g_hash_table_lookup_extended(constructs->by_name, stem, &stored, &id))
        return;
    tainted[GPOINTER_TO_UINT(id)] |= AS_NAME;
    g_hash_table_add(names, stored);
}

static gboolean
add_names(PatchConstructs *constructs, const PatchConstruct *construct, guint8 *tainted, GHashTable *names,
          GPtrArray *stems)
{
    const guint8 how = construct->is_macro ? AS_MACRO | AS_NAME : AS_NAME;
    gboolean added = FALSE;

    for (guint i = 0; i < construct->n_defines; i++) {
        guint32 id = g_array_index(constructs->ids, guint32, construct->defines + i);
        char *name = constructs->names->pdata[id];

        if ((tainted[id] & how) == how)
            continue;
        tainted[id] |= how;
        added = TRUE;
        taint_stem(constructs, name, tainted, names);
        g_hash_table_add(names, name);
        if (stems && construct->is_invocation && strlen(name) >= MIN_STEM)
            g_ptr_array_add(stems, name);
    }
    return added;
}

static gboolean
mentions_any(const PatchConstructs *constructs, const PatchConstruct *construct, const guint8 *tainted)
{
    for (guint i = 0; i < construct->n_mentions; i++) {
        guint32 id = g_array_index(constructs->ids, guint32, construct->mentions + i);

        /* What a type of known members calls them is known. */
        if (construct->is_known && tainted[id] == (AS_NAME | AS_MEMBER))
            continue;
        if (tainted[id])
            return TRUE;
    }
    for (guint i = 0; i < construct->n_members; i++)
        if (tainted[g_array_index(constructs->ids, guint32, construct->members + i)] & (AS_MACRO | AS_MEMBER))
            return TRUE;
    for (guint i = 0; i < construct->n_declared; i++)
        if (tainted[g_array_index(constructs->ids, guint32, construct->declared + i)] & AS_MACRO)
            return TRUE;
    return FALSE;
}

void
patch_constructs_taint_member(PatchConstructs *constructs, const char *name)
{
    guint32 id = patch_constructs_number(constructs, name, strlen(name));

    g_array_append_val(constructs->members, id);
}

GHashTable *
patch_constructs_spread(PatchConstructs *constructs, GPtrArray *stems)
{
    g_autofree guint8 *tainted = g_malloc0(constructs->names->len + 1);
    GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);
    gboolean added = constructs->members->len > 0;

    for (guint i = 0; i < constructs->members->len; i++) {
        guint32 id = g_array_index(constructs->members, guint32, i);

        tainted[id] |= AS_NAME | AS_MEMBER;
        g_hash_table_add(names, constructs->names->pdata[id]);
    }
    for (guint i = 0; i < constructs->constructs->len; i++) {
        PatchConstruct *construct = &g_array_index(constructs->constructs, PatchConstruct, i);

        if (construct->is_tainted)
            added |= add_names(constructs, construct, tainted, names, stems);
    }
    while (added) {
        added = FALSE;
        for (guint i = 0; i < constructs->constructs->len; i++) {
            PatchConstruct *construct = &g_array_index(constructs->constructs, PatchConstruct, i);

            if (construct->is_tainted || !mentions_any(constructs, construct, tainted))
                continue;
            construct->is_tainted = TRUE;
            added |= add_names(constructs, construct, tainted, names, stems);
        }
    }
    return names;
}

gboolean
patch_constructs_mentions(const char *text, gsize length, GHashTable *names, const GPtrArray *stems)
{
    PatchTokens tokens;
    PatchToken token;

    patch_tokens_init(&tokens, text, length);
    while ((token = patch_tokens_next(&tokens)).kind != PATCH_TOKEN_END) {
        char name[128];
        gsize n = MIN(token.length, sizeof name - 1);

        if (token.kind != PATCH_TOKEN_NAME)
            continue;
        memcpy(name, token.start, n);
        name[n] = 0;
        if (g_hash_table_contains(names, name))
            return TRUE;
        for (guint i = 0; i < stems->len; i++)
            if (strstr(name, stems->pdata[i]))
                return TRUE;
    }
    return FALSE;
}
