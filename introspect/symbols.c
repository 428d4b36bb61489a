/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/symbols.h"

#include <string.h>

#define NO_SYMBOL G_MAXUINT32
/* More symbols than ever had one hash; what a guest made up beyond that is not found by name. */
#define MAX_CHAIN 16384

/* A group of symbols as they lie in the whole table. */
typedef struct {
    IntroSymbolGroup *group;    /* its symbols have moved to the table */
    guint32 *order;             /* their positions there, ascending */
    guint32 n_symbols;

    /* By name: chains of positions in ORDER, ascending. */
    guint32 *first;             /* n_buckets of them */
    guint32 *next;              /* one per symbol */
    guint32 n_buckets;          /* a power of two */
} Part;

struct IntroSymbols {
    GArray *all;                /* of IntroSymbol */
    GArray *parts;              /* of Part; vmlinux first */
};

IntroSymbolGroup *
intro_symbol_group_new(const char *module, char *names)
{
    IntroSymbolGroup *group = g_new0(IntroSymbolGroup, 1);

    group->module = g_strdup(module);
    group->names = names;
    group->symbols = g_array_new(FALSE, FALSE, sizeof(IntroSymbol));
    group->regions = g_array_new(FALSE, FALSE, sizeof(IntroRegion));
    return group;
}

void
intro_symbol_group_free(IntroSymbolGroup *group)
{
    if (group == NULL)
        return;
    g_free(group->module);
    g_free(group->names);
    if (group->symbols != NULL)
        g_array_unref(group->symbols);
    g_array_unref(group->regions);
    g_free(group);
}

static const IntroRegion *
group_region(const IntroSymbolGroup *group, GuestVa va)
{
    for (guint i = 0; i < group->regions->len; i++) {
        const IntroRegion *region = &g_array_index(group->regions, IntroRegion, i);

        if (va >= region->start && va < region->end)
            return region;
    }
    return NULL;
}

static gint
compare_addresses(gconstpointer a, gconstpointer b)
{
    const IntroSymbol *left = a, *right = b;

    return left->va < right->va ? -1 : left->va > right->va;
}

static gboolean
is_sorted(const GArray *symbols)
{
    for (guint i = 1; i < symbols->len; i++)
        if (g_array_index(symbols, IntroSymbol, i).va < g_array_index(symbols, IntroSymbol, i - 1).va)
            return FALSE;
    return TRUE;
}

/* Brings a group's symbols into order and gives them their module and size. */
static void
group_finish(IntroSymbolGroup *group)
{
    IntroSymbol *symbols = (IntroSymbol *) group->symbols->data;
    GuestVa next_va = 0;

    if (!is_sorted(group->symbols))
        g_array_sort(group->symbols, compare_addresses);
    for (guint i = group->symbols->len; i-- > 0;) {
        IntroSymbol *symbol = symbols + i;
        const IntroRegion *region = group_region(group, symbol->va);
        gboolean is_last = i + 1 == group->symbols->len;

        if (!is_last && symbols[i + 1].va != symbol->va)
            next_va = symbols[i + 1].va;
        symbol->module = group->module;
        if (region != NULL)
            symbol->size = (next_va > symbol->va ? MIN(next_va, region->end) : region->end) - symbol->va;
        else
            symbol->size = next_va > symbol->va && group_region(group, next_va) == NULL ? next_va - symbol->va : 0;
    }
}

/* ---- The table ---- */

static void
build_index(Part *part, const IntroSymbol *symbols)
{
    part->n_buckets = 16;
    while (part->n_buckets < part->n_symbols)
        part->n_buckets *= 2;
    part->first = g_new(guint32, part->n_buckets);
    part->next = g_new(guint32, part->n_symbols);
    for (guint32 i = 0; i < part->n_buckets; i++)
        part->first[i] = NO_SYMBOL;
    for (guint32 i = part->n_symbols; i-- > 0;) {
        guint32 bucket = g_str_hash(symbols[i].name) & (part->n_buckets - 1);

        part->next[i] = part->first[bucket];
        part->first[bucket] = i;
    }
}

static void
clear_part(gpointer data)
{
    Part *part = data;

    intro_symbol_group_free(part->group);
    g_free(part->order);
    g_free(part->first);
    g_free(part->next);
}

/* Takes over GROUP; its symbols go to the caller. */
static GArray *
add_part(IntroSymbols *symbols, IntroSymbolGroup *group)
{
    Part part = { .group = group, .n_symbols = group->symbols->len };

    group_finish(group);
    part.order = g_new(guint32, part.n_symbols);
    build_index(&part, (const IntroSymbol *) group->symbols->data);
    g_array_append_val(symbols->parts, part);
    return g_steal_pointer(&group->symbols);
}

/* Fills the parts' orders. PART_OF tells the part of each symbol by its module's name, which parts own. */
static void
fill_orders(IntroSymbols *symbols)
{
    g_autoptr(GHashTable) part_of = g_hash_table_new(NULL, NULL);

    for (guint i = 0; i < symbols->parts->len; i++) {
        Part *part = &g_array_index(symbols->parts, Part, i);

        part->n_symbols = 0;
        g_hash_table_insert(part_of, part->group->module, part);
    }
    for (guint32 i = 0; i < symbols->all->len; i++) {
        const IntroSymbol *symbol = &g_array_index(symbols->all, IntroSymbol, i);
        Part *part = symbol->module != NULL ? g_hash_table_lookup(part_of, symbol->module)
            : &g_array_index(symbols->parts, Part, 0);

        part->order[part->n_symbols++] = i;
    }
}

IntroSymbols *
intro_symbols_new(IntroSymbolGroup *vmlinux)
{
    IntroSymbols *symbols = g_new0(IntroSymbols, 1);

    symbols->parts = g_array_new(FALSE, FALSE, sizeof(Part));
    g_array_set_clear_func(symbols->parts, clear_part);
    symbols->all = add_part(symbols, vmlinux);
    fill_orders(symbols);
    return symbols;
}

void
intro_symbols_free(IntroSymbols *symbols)
{
    if (symbols == NULL)
        return;
    g_array_unref(symbols->all);
    g_array_unref(symbols->parts);
    g_free(symbols);
}

/* Merges two sorted arrays; where addresses are equal, LEFT's come first. */
static GArray *
merge(const GArray *left, const GArray *right)
{
    GArray *merged = g_array_sized_new(FALSE, FALSE, sizeof(IntroSymbol), left->len + right->len);
    guint from_left = 0;

    for (guint i = 0; i < right->len; i++) {
        const IntroSymbol *symbol = &g_array_index(right, IntroSymbol, i);
        guint until = from_left;

        while (until < left->len && g_array_index(left, IntroSymbol, until).va <= symbol->va)
            until++;
        if (until > from_left)
            g_array_append_vals(merged, &g_array_index(left, IntroSymbol, from_left), until - from_left);
        g_array_append_val(merged, *symbol);
        from_left = until;
    }
    if (from_left < left->len)
        g_array_append_vals(merged, &g_array_index(left, IntroSymbol, from_left), left->len - from_left);
    return merged;
}

void
intro_symbols_add_modules(IntroSymbols *symbols, GPtrArray *groups)
{
    g_autoptr(GArray) added = g_array_new(FALSE, FALSE, sizeof(IntroSymbol));
    GArray *merged;

    for (guint i = 0; i < groups->len; i++) {
        g_autoptr(GArray) of_group = add_part(symbols, g_ptr_array_index(groups, i));

        if (of_group->len > 0)
            g_array_append_vals(added, of_group->data, of_group->len);
    }
    g_ptr_array_set_free_func(groups, NULL);
    g_ptr_array_unref(groups);

    g_array_sort(added, compare_addresses);
    merged = merge(symbols->all, added);
    g_array_unref(symbols->all);
    symbols->all = merged;
    fill_orders(symbols);
}

/* ---- Looking up ---- */

const IntroSymbol *
intro_symbols_all(const IntroSymbols *symbols, gsize *n_symbols)
{
    *n_symbols = symbols->all->len;
    return (const IntroSymbol *) symbols->all->data;
}

/* The position in PART->order of the last symbol at or before VA; FALSE if there is none. */
static gboolean
find_last_at_or_before(const IntroSymbols *symbols, const Part *part, GuestVa va, guint32 *found)
{
    guint32 low = 0, high = part->n_symbols;

    while (low < high) {
        guint32 middle = low + (high - low) / 2;

        if (g_array_index(symbols->all, IntroSymbol, part->order[middle]).va <= va)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low - 1;
    return low > 0;
}

static const IntroSymbol *
part_symbol_at(const IntroSymbols *symbols, const Part *part, GuestVa va)
{
    const IntroSymbol *symbol;
    guint32 found;

    if (!find_last_at_or_before(symbols, part, va, &found))
        return NULL;
    symbol = &g_array_index(symbols->all, IntroSymbol, part->order[found]);
    if (symbol->va == 0)
        return NULL;
    /* The first of those at the same address; the search goes to the last one before them. */
    if (!find_last_at_or_before(symbols, part, symbol->va - 1, &found))
        return &g_array_index(symbols->all, IntroSymbol, part->order[0]);
    return &g_array_index(symbols->all, IntroSymbol, part->order[found + 1]);
}

const IntroSymbol *
intro_symbols_at(const IntroSymbols *symbols, GuestVa va, guint64 *offset)
{
    for (guint i = 0; i < symbols->parts->len; i++) {
        const Part *part = &g_array_index(symbols->parts, Part, i);
        const IntroSymbol *symbol;

        if (group_region(part->group, va) == NULL)
            continue;
        symbol = part_symbol_at(symbols, part, va);
        if (symbol != NULL && offset != NULL)
            *offset = va - symbol->va;
        return symbol;
    }
    return NULL;
}

static const Part *
find_part(const IntroSymbols *symbols, const char *module)
{
    for (guint i = 0; i < symbols->parts->len; i++) {
        const Part *part = &g_array_index(symbols->parts, Part, i);

        if (g_strcmp0(part->group->module, module) == 0)
            return part;
    }
    return NULL;
}

const IntroSymbol **
intro_symbols_named(const IntroSymbols *symbols, const char *module, const char *name, guint *n_found)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    const Part *part = find_part(symbols, module);
    guint32 i = part != NULL ? part->first[g_str_hash(name) & (part->n_buckets - 1)] : NO_SYMBOL;

    for (guint n = 0; i != NO_SYMBOL && n < MAX_CHAIN; i = part->next[i], n++) {
        IntroSymbol *symbol = &g_array_index(symbols->all, IntroSymbol, part->order[i]);

        if (strcmp(symbol->name, name) == 0)
            g_ptr_array_add(found, symbol);
    }
    if (n_found != NULL)
        *n_found = found->len;
    g_ptr_array_add(found, NULL);
    return (const IntroSymbol **) g_ptr_array_free(g_steal_pointer(&found), FALSE);
}

gboolean
intro_symbols_address(const IntroSymbols *symbols, const char *name, GuestVa *va, GError **error)
{
    guint n_found;
    g_autofree const IntroSymbol **found = intro_symbols_named(symbols, NULL, name, &n_found);

    if (n_found != 1) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND,
                    n_found == 0 ? "the guest's kernel has no symbol \"%s\""
                    : "the guest's kernel has more than one symbol \"%s\"", name);
        return FALSE;
    }
    *va = found[0]->va;
    return TRUE;
}

char *
intro_symbols_describe(const IntroSymbols *symbols, GuestVa va, gboolean is_return)
{
    /* A call that does not return may be a function's last instruction; its return address lies behind it. */
    guint64 back = is_return ? 1 : 0, offset = 0;
    const IntroSymbol *symbol = intro_symbols_at(symbols, va - back, &offset);

    if (symbol == NULL)
        return g_strdup_printf("0x%" G_GINT64_MODIFIER "x", va);
    return g_strdup_printf("%s+0x%" G_GINT64_MODIFIER "x/0x%" G_GINT64_MODIFIER "x%s%s%s", symbol->name,
                           offset + back, symbol->size, symbol->module != NULL ? " [" : "",
                           symbol->module != NULL ? symbol->module : "", symbol->module != NULL ? "]" : "");
}
