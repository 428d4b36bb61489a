/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/renamed-types.h"

#include <string.h>

#include "patcher/finding.h"
#include "patcher/type-difference.h"

/* Fewer, two structures that have nothing to do with each other may have in common. */
#define MIN_COMMON 2

/* Whether a line of PATCH that begins with SIGN begins the definition of NAME. */
static gboolean
has_definition(const char *patch, char sign, const char *name)
{
    gsize length = strlen(name);

    for (const char *at = strstr(patch, name); at; at = strstr(at + length, name)) {
        const char *line = at, *after = at + length;

        while (line > patch && line[-1] != '\n')
            line--;
        if (*line == sign && after[strspn(after, " \t")] == '{')
            return TRUE;
    }
    return FALSE;
}

/* The one structure of that name which only ONE has, and that can have another name in OTHER. */
static const PatchStruct *
only_in(const PatchDwarf *one, const PatchDwarf *other, const char *name)
{
    const GPtrArray *types = g_hash_table_lookup(one->structs, name);
    const PatchStruct *type = types->len == 1 ? types->pdata[0] : NULL;

    return type && !type->is_enum && !g_hash_table_contains(other->structs, name) ? type : NULL;
}

static guint
count_common(const PatchStruct *old_type, const PatchStruct *new_type)
{
    guint n = 0;

    for (guint i = 0; i < old_type->members->len; i++) {
        const PatchMember *was = old_type->members->pdata[i], *is = patch_struct_member(new_type, was->name);

        n += is && g_str_equal(was->type, is->type);
    }
    return n;
}

/* What OLD_TYPE has become: what has most of its members, and more than half of them; NULL if there is none. */
static const PatchStruct *
find_successor(const PatchDwarf *old_dwarf, const PatchDwarf *new_dwarf, const PatchStruct *old_type, const char *patch)
{
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(new_dwarf->structs), (GCompareFunc) g_strcmp0);
    guint most = MAX(MIN_COMMON - 1, old_type->members->len / 2);
    const PatchStruct *best = NULL;

    for (GList *name = names; name; name = name->next) {
        const PatchStruct *type = only_in(new_dwarf, old_dwarf, name->data);
        guint n = type ? count_common(old_type, type) : 0;

        if (n <= most || (patch && !has_definition(patch, '+', name->data)))
            continue;
        most = n;
        best = type;
    }
    return best;
}

static void
compare(const PatchStruct *old_type, const PatchStruct *new_type, GPtrArray *findings)
{
    g_auto(PatchTypeDifference) difference;
    g_autofree char *text = NULL;

    patch_type_difference_init(&difference, old_type, new_type);
    if (difference.changed->len + difference.moved->len == 0)
        return;
    text = patch_type_difference_text(&difference);
    patch_findings_add(findings, difference.moved->len ? PATCH_FINDING_LAYOUT : PATCH_FINDING_MEMBERS, old_type->name,
                       "%s becomes %s, and changes: %s; objects in a running kernel's memory are of the old one: leave the "
                       "structure as it is, and keep what is new in a shadow variable", old_type->name, new_type->name, text);
}

void
patch_renamed_types_find(const PatchDwarf *old_dwarf, const PatchDwarf *new_dwarf, const char *patch, GPtrArray *findings)
{
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(old_dwarf->structs), (GCompareFunc) g_strcmp0);

    for (GList *name = names; name; name = name->next) {
        const PatchStruct *old_type = only_in(old_dwarf, new_dwarf, name->data), *new_type = NULL;

        if (old_type && (!patch || has_definition(patch, '-', name->data)))
            new_type = find_successor(old_dwarf, new_dwarf, old_type, patch);
        if (new_type)
            compare(old_type, new_type, findings);
    }
}
