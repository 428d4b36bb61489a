/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/types.h"

#include "patcher/item-name.h"
#include "patcher/type-difference.h"

/* Where what differs is told: see patch_types_compare(). */
typedef struct {
    GPtrArray *findings, *notes, *counts;
} Told;

/* Nothing reads them any more, and nothing else has their place. */
static void
note_gone(const PatchStruct *type, const GPtrArray *gone, GPtrArray *notes)
{
    for (guint i = 0; i < gone->len && i < PATCH_MAX_MEMBERS_NAMED; i++)
        g_ptr_array_add(notes, g_strdup_printf(
            "%s loses its member %s, and nothing takes its place; once the update is undone, the old code finds in what was "
            "made meanwhile what its allocation left there", type->name, ((const PatchMember *) gone->pdata[i])->name));
}

static void
add_finding(const PatchStruct *type, const PatchTypeDifference *difference, GPtrArray *findings)
{
    g_autofree char *text = patch_type_difference_text(difference);

    if (type->is_enum)
        patch_findings_add(findings, PATCH_FINDING_MEMBERS, type->name,
                           "constants of %s change: %s; where a running kernel's memory holds one of them, it would be "
                           "taken for another: leave those that are there as they are, and put new ones at the end",
                           g_str_equal(type->name, PATCH_NAMELESS_ENUM) ? "an enumeration without name" : type->name, text);
    else if (difference->moved->len)
        patch_findings_add(findings, PATCH_FINDING_LAYOUT, type->name,
                           "the layout of %s changes: %s; objects in a running kernel's memory have the old one: leave the "
                           "structure as it is, and keep what is new in a shadow variable", type->name, text);
    else
        patch_findings_add(findings, PATCH_FINDING_MEMBERS, type->name,
                           "%s has other members: %s; no size and no offset moves, but objects in a running kernel's "
                           "memory were made without it: a hook has to put them right, or the new code has to do with "
                           "whatever they hold", type->name, text);
}

/* Modules that are loaded later, and such as are no part of the kernel, give or call it as it was. */
static void
compare_callbacks(const PatchStruct *old_type, const PatchStruct *new_type, GPtrArray *findings)
{
    for (guint i = 0; i < old_type->members->len; i++) {
        const PatchMember *was = old_type->members->pdata[i], *is = patch_struct_member(new_type, was->name);

        if (is && was->passed && is->passed && !g_str_equal(was->passed, is->passed))
            patch_findings_add(findings, PATCH_FINDING_EXPORT, old_type->name,
                               "the callback %s of %s changes from %s to %s; modules that know the structure, and are not "
                               "loaded yet or no part of the kernel, go by the old way: leave it as it is, and give what is "
                               "new a name of its own", was->name, old_type->name, was->type, is->type);
    }
}

/* OWN: looks at those that changed themselves, or at the others, in which a structure within them changed. */
static void
compare_struct(const PatchStruct *old_type, const PatchStruct *new_type, gboolean own, const Told *told)
{
    g_auto(PatchTypeDifference) difference;

    if (own && old_type->is_public)
        compare_callbacks(old_type, new_type, told->findings);
    patch_type_difference_init(&difference, old_type, new_type);
    if (told->counts && difference.count && own)
        g_ptr_array_add(told->counts, g_strdup(difference.count->name));
    if ((difference.changed->len + difference.gone->len > 0) != own)
        return;
    if (difference.changed->len + difference.moved->len > 0)
        add_finding(old_type, &difference, told->findings);
    else if (told->notes)
        note_gone(old_type, difference.gone, told->notes);
}

void
patch_types_compare_struct(const PatchStruct *old_type, const PatchStruct *new_type, GPtrArray *findings)
{
    const Told told = { .findings = findings };

    compare_struct(old_type, new_type, TRUE, &told);
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(a, b);
}

static void
compare_structs(const PatchDwarf *old_dwarf, const PatchDwarf *new_dwarf, gboolean own, const Told *told)
{
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(old_dwarf->structs), compare_names);

    for (GList *name = names; name; name = name->next) {
        const GPtrArray *old_types = g_hash_table_lookup(old_dwarf->structs, name->data);
        const GPtrArray *new_types = g_hash_table_lookup(new_dwarf->structs, name->data);

        if (g_str_equal(name->data, PATCH_NAMELESS_ENUM))
            continue;
        for (guint i = 0; new_types && i < MIN(old_types->len, new_types->len); i++)
            compare_struct(old_types->pdata[i], new_types->pdata[i], own, told);
    }
}

static void
compare_variable(const PatchStruct *old_variable, const PatchStruct *new_variable, GPtrArray *findings)
{
    g_auto(PatchTypeDifference) difference;
    g_autofree char *text = NULL;

    patch_type_difference_init(&difference, old_variable, new_variable);
    if (difference.changed->len + difference.moved->len == 0)
        return;
    text = patch_type_difference_text(&difference);
    patch_findings_add(findings, difference.moved->len ? PATCH_FINDING_LAYOUT : PATCH_FINDING_MEMBERS, old_variable->name,
                       "the type of the variable %s changes: %s; what a running kernel has put there is of the old one: "
                       "leave it as it is, and put what is new into a variable of its own", old_variable->name, text);
}

/* Where a size differs, that is told of the datum. */
static void
compare_variables(const PatchDwarf *old_dwarf, const PatchDwarf *new_dwarf, GPtrArray *findings)
{
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(old_dwarf->variables), compare_names);

    for (GList *name = names; name; name = name->next) {
        const GPtrArray *old_variables = g_hash_table_lookup(old_dwarf->variables, name->data);
        const GPtrArray *new_variables = g_hash_table_lookup(new_dwarf->variables, name->data);

        for (guint i = 0; new_variables && new_variables->len == old_variables->len && i < old_variables->len; i++) {
            const PatchStruct *old_variable = old_variables->pdata[i], *new_variable = new_variables->pdata[i];

            if (old_variable->size == new_variable->size)
                compare_variable(old_variable, new_variable, findings);
        }
    }
}

/* Whether the variables that the source calls by these names have a type in common. */
static gboolean
share_type(const GPtrArray *old_variables, const GPtrArray *new_variables)
{
    for (guint i = 0; old_variables && new_variables && i < old_variables->len; i++)
        for (guint j = 0; j < new_variables->len; j++) {
            const PatchStruct *was = old_variables->pdata[i], *is = new_variables->pdata[j];

            if (g_str_equal(((const PatchMember *) was->members->pdata[0])->type,
                            ((const PatchMember *) is->members->pdata[0])->type))
                return TRUE;
        }
    return FALSE;
}

/* What a variable holds in a running kernel, one of another name would begin without. */
static void
find_renamed(const PatchPairing *pairing, const PatchDwarf *old_dwarf, const PatchDwarf *new_dwarf, GPtrArray *findings)
{
    g_autoptr(GHashTable) told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < pairing->successors->len; i++) {
        const PatchSuccessor *it = &g_array_index(pairing->successors, PatchSuccessor, i);
        g_autofree char *was = patch_plain_name(patch_elf_item(pairing->old_elf, it->old_item)->name);
        g_autofree char *is = patch_plain_name(patch_elf_item(pairing->new_elf, it->new_item)->name);
        gboolean is_one_name = g_str_equal(was, is);

        /* Which of those is which cannot be told at all, and code that uses them is refused. */
        if (is_one_name && patch_pairing_is_ambiguous(pairing, was))
            continue;
        if (g_hash_table_add(told, g_strdup_printf("%s %s", was, is)) &&
            share_type(g_hash_table_lookup(old_dwarf->variables, was), g_hash_table_lookup(new_dwarf->variables, is)))
            patch_findings_add(findings, PATCH_FINDING_DATA, was,
                               "the variable %s is gone, and %s of the same type is new in its place, which would begin anew: "
                               "if it is to hold what the other holds in a running kernel, leave that %s", was, is,
                               is_one_name ? "where it is" : "its name");
    }
}

/* The nameless enumerations of DWARF by the names of their constants; NULL for one that several functions have of their own. */
static GHashTable *
by_constant(const PatchDwarf *dwarf)
{
    const GPtrArray *types = g_hash_table_lookup(dwarf->structs, PATCH_NAMELESS_ENUM);
    GHashTable *table = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; types && i < types->len; i++) {
        PatchStruct *type = types->pdata[i];

        for (guint j = 0; j < type->members->len; j++) {
            char *name = ((PatchMember *) type->members->pdata[j])->name;

            g_hash_table_insert(table, name, g_hash_table_contains(table, name) ? NULL : type);
        }
    }
    return table;
}

static void
compare_nameless_enums(const PatchDwarf *old_dwarf, const PatchDwarf *new_dwarf, const Told *told)
{
    const GPtrArray *old_types = g_hash_table_lookup(old_dwarf->structs, PATCH_NAMELESS_ENUM);
    g_autoptr(GHashTable) old_table = by_constant(old_dwarf), new_table = by_constant(new_dwarf);

    for (guint i = 0; old_types && i < old_types->len; i++) {
        const PatchStruct *type = old_types->pdata[i], *new_type = NULL;

        for (guint j = 0; !new_type && j < type->members->len; j++) {
            const char *name = ((const PatchMember *) type->members->pdata[j])->name;

            new_type = g_hash_table_lookup(old_table, name) ? g_hash_table_lookup(new_table, name) : NULL;
        }
        if (new_type)
            compare_struct(type, new_type, TRUE, told);
    }
}

/* The kernel marks what it exports by symbols of these names. */
static const char *
exported_name(const char *symbol)
{
    static const char *const prefixes[] = { "__ksymtab_", "__export_symbol_" };

    for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++)
        if (g_str_has_prefix(symbol, prefixes[i]))
            return symbol + strlen(prefixes[i]);
    return NULL;
}

static void
compare_exports(const PatchElf *old_elf, const PatchDwarf *old_dwarf, const PatchDwarf *new_dwarf, GPtrArray *findings)
{
    for (guint i = 0; i < old_elf->symbols->len; i++) {
        const char *name = exported_name(patch_elf_symbol(old_elf, i)->name);
        const PatchSignature *was = name ? g_hash_table_lookup(old_dwarf->signatures, name) : NULL;
        const PatchSignature *is = name ? g_hash_table_lookup(new_dwarf->signatures, name) : NULL;

        if (was && is && !g_str_equal(was->passed, is->passed))
            patch_findings_add(findings, PATCH_FINDING_EXPORT, name,
                               "the exported function %s changes from %s to %s; modules in the running kernel call it the "
                               "old way: leave it as it is, and give what is new a name of its own", name, was->text, is->text);
    }
}

void
patch_types_compare(const PatchPairing *pairing, const PatchDwarf *old_dwarf, const PatchDwarf *new_dwarf,
                    GPtrArray *findings, GPtrArray *notes, GPtrArray *counts)
{
    const Told told = { findings, notes, counts };

    compare_structs(old_dwarf, new_dwarf, TRUE, &told);
    compare_structs(old_dwarf, new_dwarf, FALSE, &told);
    compare_nameless_enums(old_dwarf, new_dwarf, &told);
    compare_variables(old_dwarf, new_dwarf, findings);
    find_renamed(pairing, old_dwarf, new_dwarf, findings);
    compare_exports(pairing->old_elf, old_dwarf, new_dwarf, findings);
}
