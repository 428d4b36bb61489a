/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "patcher/construct-names.h"
#include "patcher/constructs.h"
#include "patcher/makers.h"

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

typedef struct {
    PatchConstructs *constructs;
    guint8 *how;                /* by number of a name, of those that constructs have */
    guint n;
    GHashTable *names;          /* those that are tainted */
    GPtrArray *stems;
} Taint;

/* A macro may make NAME, as raw_cpu_read_4, of what it is given, as raw_cpu_read_, and a number. */
static void
taint_stem(Taint *taint, const char *name)
{
    gsize length = strlen(name);
    g_autofree char *stem = NULL;
    gpointer stored, id;

    while (length && g_ascii_isdigit(name[length - 1]))
        length--;
    if (!name[length] || !length || name[length - 1] != '_')
        return;
    stem = g_strndup(name, length);
    if (!g_hash_table_lookup_extended(taint->constructs->by_name, stem, &stored, &id) || GPOINTER_TO_UINT(id) >= taint->n)
        return;
    taint->how[GPOINTER_TO_UINT(id)] |= AS_NAME;
    g_hash_table_add(taint->names, stored);
}

static gboolean
add_names(Taint *taint, const PatchConstruct *construct)
{
    const guint8 how = construct->is_macro ? AS_MACRO | AS_NAME : AS_NAME;
    gboolean added = FALSE;

    for (guint i = 0; i < construct->n_defines; i++) {
        guint32 id = g_array_index(taint->constructs->ids, guint32, construct->defines + i);
        char *name = taint->constructs->names->pdata[id];

        if ((taint->how[id] & how) == how)
            continue;
        taint->how[id] |= how;
        added = TRUE;
        taint_stem(taint, name);
        g_hash_table_add(taint->names, name);
        if (taint->stems && construct->is_invocation && strlen(name) >= MIN_STEM)
            g_ptr_array_add(taint->stems, name);
    }
    return added;
}

static gboolean
mentions_any(const Taint *taint, const PatchConstruct *construct)
{
    const guint32 *ids = (const guint32 *) taint->constructs->ids->data;

    for (guint i = 0; i < construct->n_mentions; i++) {
        guint8 how = taint->how[ids[construct->mentions + i]];

        /* What a type of known members calls them is known. */
        if (construct->is_known && how == (AS_NAME | AS_MEMBER))
            continue;
        if (how)
            return TRUE;
    }
    for (guint i = 0; i < construct->n_members; i++)
        if (taint->how[ids[construct->members + i]] & (AS_MACRO | AS_MEMBER))
            return TRUE;
    for (guint i = 0; i < construct->n_declared; i++)
        if (taint->how[ids[construct->declared + i]] & AS_MACRO)
            return TRUE;
    return FALSE;
}

void
patch_constructs_taint_member(PatchConstructs *constructs, const char *name)
{
    guint32 id = patch_constructs_number(constructs, name, strlen(name));

    g_array_append_val(constructs->members, id);
}

static void
taint_changed(Taint *taint)
{
    const PatchConstructs *constructs = taint->constructs;

    for (guint i = 0; i < constructs->members->len; i++) {
        guint32 id = g_array_index(constructs->members, guint32, i);

        taint->how[id] |= AS_NAME | AS_MEMBER;
        g_hash_table_add(taint->names, constructs->names->pdata[id]);
    }
    for (guint i = 0; i < constructs->constructs->len; i++) {
        const PatchConstruct *construct = &g_array_index(constructs->constructs, PatchConstruct, i);

        if (construct->is_tainted)
            add_names(taint, construct);
    }
}

/* What mentions a tainted name is tainted; until there is no more. */
static void
spread_by_name(Taint *taint)
{
    gboolean added;

    do {
        added = FALSE;
        for (guint i = 0; i < taint->constructs->constructs->len; i++) {
            PatchConstruct *construct = &g_array_index(taint->constructs->constructs, PatchConstruct, i);

            if (construct->is_tainted || !mentions_any(taint, construct))
                continue;
            construct->is_tainted = TRUE;
            added |= add_names(taint, construct);
        }
    } while (added);
}

/* So is what has macros make a tainted name. TRUE if that taints other names. */
static gboolean
spread_by_macros(Taint *taint)
{
    g_autoptr(PatchMakers) makers = NULL;
    gboolean added = FALSE;

    if (!taint->constructs->pastes->len)
        return FALSE;
    makers = patch_makers_new(taint->constructs, taint->names);
    for (guint i = 0; i < taint->constructs->constructs->len; i++) {
        PatchConstruct *construct = &g_array_index(taint->constructs->constructs, PatchConstruct, i);

        if (construct->is_tainted || !patch_makers_construct(makers, construct))
            continue;
        construct->is_tainted = TRUE;
        added |= add_names(taint, construct);
    }
    return added;
}

GHashTable *
patch_constructs_spread(PatchConstructs *constructs, GPtrArray *stems)
{
    g_autofree guint8 *how = g_malloc0(constructs->names->len + 1);
    Taint taint = { constructs, how, constructs->names->len, g_hash_table_new(g_str_hash, g_str_equal), stems };

    taint_changed(&taint);
    do
        spread_by_name(&taint);
    while (spread_by_macros(&taint));
    return taint.names;
}
