/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/types.h"

#define MAX_NAMED 4     /* members of one structure that are named */

/* What differs between two structures of one name. */
typedef struct {
    GPtrArray *changed;         /* of char *: members that are new, gone or of another type; constants with other values */
    GPtrArray *moved;           /* of char *: sizes and places that differ; that is all, if only a structure within it changed */
    GPtrArray *gone;            /* of PatchMember: numbers that are no longer there, of which CHANGED does not tell */
} Difference;

static void
difference_init(Difference *difference)
{
    difference->changed = g_ptr_array_new_with_free_func(g_free);
    difference->moved = g_ptr_array_new_with_free_func(g_free);
    difference->gone = g_ptr_array_new();
}

static void
difference_clear(Difference *difference)
{
    g_ptr_array_unref(difference->changed);
    g_ptr_array_unref(difference->moved);
    g_ptr_array_unref(difference->gone);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Difference, difference_clear)

static void G_GNUC_PRINTF(2, 3)
tell(GPtrArray *list, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_ptr_array_add(list, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

/* The first of what differs, causes before effects; to be freed. */
static char *
difference_text(const Difference *difference)
{
    GString *text = g_string_new(NULL);
    guint n = difference->changed->len + difference->moved->len;

    for (guint i = 0; i < n && i < MAX_NAMED; i++)
        g_string_append_printf(text, "%s%s", i ? ", " : "",
                               (const char *) (i < difference->changed->len
                                                   ? difference->changed->pdata[i]
                                                   : difference->moved->pdata[i - difference->changed->len]));
    if (n > MAX_NAMED)
        g_string_append_printf(text, ", and %u more", n - MAX_NAMED);
    return g_string_free(text, FALSE);
}

static const PatchMember *
find_member(const PatchStruct *type, const char *name)
{
    for (guint i = 0; i < type->members->len; i++) {
        const PatchMember *member = type->members->pdata[i];

        if (g_str_equal(member->name, name))
            return member;
    }
    return NULL;
}

/* "12", or "12.3" for the third bit of byte 12. */
static char *
place(guint64 bits)
{
    return bits % 8 ? g_strdup_printf("%" G_GUINT64_FORMAT ".%u", bits / 8, (guint) (bits % 8))
                    : g_strdup_printf("%" G_GUINT64_FORMAT, bits / 8);
}

/* Whether the bits mean the same, whatever the type is called. What a callback takes and returns is a matter of code. */
static gboolean
holds_the_same(const PatchMember *old_member, const PatchMember *new_member)
{
    g_autofree char *was = patch_type_unqualified(old_member->type), *is = patch_type_unqualified(new_member->type);

    return (old_member->is_number && new_member->is_number) || (old_member->is_callback && new_member->is_callback) ||
           g_str_equal(was, is);
}

static void
tell_gone(Difference *difference, const PatchMember *member)
{
    g_autofree char *from = place(member->offset);

    tell(difference->changed, "member %s (at byte %s) is gone", member->name, from);
}

static void
compare_member(Difference *difference, const PatchMember *old_member, const PatchMember *new_member)
{
    g_autofree char *from = place(old_member->offset), *to = NULL;

    if (!new_member) {
        if (old_member->is_number)
            g_ptr_array_add(difference->gone, (gpointer) old_member);
        else
            tell_gone(difference, old_member);
        return;
    }
    to = place(new_member->offset);
    if (!holds_the_same(old_member, new_member))
        tell(difference->changed, "member %s is now %s, was %s", old_member->name, new_member->type, old_member->type);
    if (old_member->size != new_member->size)
        tell(difference->moved, "member %s grows or shrinks from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT " bytes",
             old_member->name, old_member->size / 8, new_member->size / 8);
    if (old_member->offset != new_member->offset)
        tell(difference->moved, "member %s moves from byte %s to %s", old_member->name, from, to);
}

static void
compare_members(Difference *difference, const PatchStruct *old_type, const PatchStruct *new_type)
{
    for (guint i = 0; i < new_type->members->len; i++) {
        const PatchMember *member = new_type->members->pdata[i];
        g_autofree char *at = place(member->offset);

        if (find_member(old_type, member->name))
            continue;
        tell(difference->changed, "member %s (%s, at byte %s) is new", member->name, member->type, at);
    }
    for (guint i = 0; i < old_type->members->len; i++) {
        const PatchMember *member = old_type->members->pdata[i];

        compare_member(difference, member, find_member(new_type, member->name));
    }
    if (old_type->size != new_type->size)
        tell(difference->moved, "its size goes from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT " bytes", old_type->size,
             new_type->size);
    for (guint i = 0; difference->changed->len + difference->moved->len > 0 && i < difference->gone->len; i++)
        tell_gone(difference, difference->gone->pdata[i]);
}

/* Whether a constant that stands at the end is called so that it can only count the others. */
static gboolean
is_count(const char *name)
{
    static const char *const words[] = { "max", "num", "nr", "number", "count", "cnt", "last", "end", "size", "total", "n" };
    g_autofree char *lower = g_ascii_strdown(name, -1);
    g_auto(GStrv) parts = g_strsplit(lower, "_", -1);

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        if (g_strv_contains((const char *const *) parts, words[i]))
            return TRUE;
    return FALSE;
}

static void
compare_constants(Difference *difference, const PatchStruct *old_type, const PatchStruct *new_type)
{
    for (guint i = 0; i < old_type->members->len; i++) {
        const PatchMember *old_member = old_type->members->pdata[i];
        const PatchMember *new_member = find_member(new_type, old_member->name);
        gboolean is_last = i + 1 == old_type->members->len;

        if (!new_member || new_member->offset == old_member->offset || (is_last && is_count(old_member->name)))
            continue;
        tell(difference->changed, "%s goes from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, old_member->name,
             (gint64) old_member->offset, (gint64) new_member->offset);
    }
}

/* Nothing reads them any more, and nothing else has their place. */
static void
note_gone(const PatchStruct *type, const GPtrArray *gone, GPtrArray *notes)
{
    for (guint i = 0; i < gone->len && i < MAX_NAMED; i++)
        g_ptr_array_add(notes, g_strdup_printf(
            "%s loses its member %s, and nothing takes its place; once the update is undone, the old code finds in what was "
            "made meanwhile what its allocation left there", type->name, ((const PatchMember *) gone->pdata[i])->name));
}

static void
add_finding(const PatchStruct *type, const Difference *difference, GPtrArray *findings)
{
    g_autofree char *text = difference_text(difference);

    if (type->is_enum)
        patch_findings_add(findings, PATCH_FINDING_MEMBERS, type->name,
                           "constants of %s change: %s; where a running kernel's memory holds one of them, it would be taken for "
                           "another: leave those that are there as they are, and put new ones at the end",
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

/* OWN: looks at those that changed themselves, or at the others, in which a structure within them changed. */
static void
compare_struct(const PatchStruct *old_type, const PatchStruct *new_type, gboolean own, GPtrArray *findings,
               GPtrArray *notes)
{
    g_auto(Difference) difference;

    difference_init(&difference);
    if (old_type->is_enum)
        compare_constants(&difference, old_type, new_type);
    else
        compare_members(&difference, old_type, new_type);
    if ((difference.changed->len + difference.gone->len > 0) != own)
        return;
    if (difference.changed->len + difference.moved->len > 0)
        add_finding(old_type, &difference, findings);
    else if (notes)
        note_gone(old_type, difference.gone, notes);
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(a, b);
}

static void
compare_structs(const PatchDwarf *old_dwarf, const PatchDwarf *new_dwarf, gboolean own, GPtrArray *findings,
                GPtrArray *notes)
{
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(old_dwarf->structs), compare_names);

    for (GList *name = names; name; name = name->next) {
        const GPtrArray *old_types = g_hash_table_lookup(old_dwarf->structs, name->data);
        const GPtrArray *new_types = g_hash_table_lookup(new_dwarf->structs, name->data);

        if (g_str_equal(name->data, PATCH_NAMELESS_ENUM))
            continue;
        for (guint i = 0; new_types && i < MIN(old_types->len, new_types->len); i++)
            compare_struct(old_types->pdata[i], new_types->pdata[i], own, findings, notes);
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
compare_nameless_enums(const PatchDwarf *old_dwarf, const PatchDwarf *new_dwarf, GPtrArray *findings)
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
            compare_struct(type, new_type, TRUE, findings, NULL);
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
patch_types_compare(const PatchElf *old_elf, const PatchDwarf *old_dwarf, const PatchDwarf *new_dwarf,
                    GPtrArray *findings, GPtrArray *notes)
{
    compare_structs(old_dwarf, new_dwarf, TRUE, findings, notes);
    compare_structs(old_dwarf, new_dwarf, FALSE, findings, notes);
    compare_nameless_enums(old_dwarf, new_dwarf, findings);
    compare_exports(old_elf, old_dwarf, new_dwarf, findings);
}
