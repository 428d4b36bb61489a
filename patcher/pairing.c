/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/pairing.h"

#include <elf.h>

#include "patcher/item-name.h"
#include "patcher/leftover.h"
#include "patcher/referrers.h"
#include "patcher/tables.h"

#define MAX_COMPARED (1 << 20)

typedef struct {
    GArray *old_items, *new_items;      /* of guint32 */
} Group;

static void
group_free(Group *group)
{
    g_array_unref(group->old_items);
    g_array_unref(group->new_items);
    g_free(group);
}

/* A variable within a function: the compiler numbers them. */
static gboolean
is_numbered_datum(const PatchElfItem *item)
{
    const char *dot = strrchr(item->name, '.');

    return !item->is_function && dot && dot != item->name && dot[1] && dot[1 + strspn(dot + 1, "0123456789")] == 0;
}

gboolean
patch_elf_is_interchangeable(const PatchElf *elf, guint32 number)
{
    const PatchElfItem *item = patch_elf_item(elf, number);
    const char *section = patch_elf_section(elf, item->section)->name;

    return g_str_equal(section, ".data.once") || g_str_equal(section, ".data..once") ||
           g_str_equal(section, "__dyndbg") || g_str_has_prefix(item->name, "_rs.");
}

/* Whether a wrong pair would do harm. */
static gboolean
holds_state(const PatchElf *elf, guint32 number)
{
    const PatchElfItem *item = patch_elf_item(elf, number);

    return is_numbered_datum(item) && patch_elf_section(elf, item->section)->flags & SHF_WRITE &&
           !patch_elf_is_interchangeable(elf, number);
}

gboolean
patch_elf_takes_part(const PatchElf *elf, guint32 item)
{
    const PatchElfItem *it = patch_elf_item(elf, item);

    return it->symbol >= 0 && !patch_tables_own(patch_elf_section(elf, it->section)->name);
}

static char *
signature(GHashTable *referrers, guint32 item)
{
    GHashTable *names = g_hash_table_lookup(referrers, GUINT_TO_POINTER(item));
    g_autoptr(GList) sorted = names ? g_list_sort(g_hash_table_get_keys(names), (GCompareFunc) g_strcmp0) : NULL;
    GString *text = g_string_new(NULL);

    for (GList *name = sorted; name; name = name->next)
        g_string_append_printf(text, "\n%s", (const char *) name->data);
    return g_string_free(text, FALSE);
}

/* What an item is called and, if REFERRERS is not NULL, by whom it is used. Boot code is no pair of other code: it is
 * gone. */
static char *
group_key(const PatchElf *elf, guint32 item, GHashTable *referrers)
{
    const PatchElfItem *it = patch_elf_item(elf, item);
    g_autofree char *name = patch_plain_name(it->name);
    g_autofree char *users = referrers ? signature(referrers, item) : g_strdup("");

    if (it->is_function)
        return g_strconcat(patch_is_boot_section(patch_elf_section(elf, it->section)->name) ? "b " : "f ", name, users, NULL);
    return g_strconcat(is_numbered_datum(it) ? "n " : "d ", name, users, NULL);
}

static void
collect(GHashTable *groups, const PatchElf *elf, const gint32 *taken, gboolean is_new, GHashTable *referrers)
{
    for (guint32 i = 0; i < elf->items->len; i++) {
        g_autofree char *key = NULL;
        Group *group;

        if (taken[i] >= 0 || !patch_elf_takes_part(elf, i))
            continue;
        key = group_key(elf, i, referrers);
        group = g_hash_table_lookup(groups, key);
        if (!group) {
            group = g_new0(Group, 1);
            group->old_items = g_array_new(FALSE, FALSE, sizeof(guint32));
            group->new_items = g_array_new(FALSE, FALSE, sizeof(guint32));
            g_hash_table_insert(groups, g_steal_pointer(&key), group);
        }
        g_array_append_val(is_new ? group->new_items : group->old_items, i);
    }
}

/* By number: a name with fewer digits has the smaller one. */
static int
compare_names(gconstpointer a, gconstpointer b, gpointer data)
{
    const char *first = patch_elf_item(data, *(const guint32 *) a)->name;
    const char *second = patch_elf_item(data, *(const guint32 *) b)->name;
    gsize first_length = strlen(first), second_length = strlen(second);

    if (first_length != second_length)
        return first_length < second_length ? -1 : 1;
    return strcmp(first, second);
}

static void
pair(PatchPairing *pairing, guint32 old_item, guint32 new_item)
{
    pairing->new_of_old[old_item] = new_item;
    pairing->old_of_new[new_item] = old_item;
}

/* Whether two items that are alone with their name can be a pair: a variable of one function is none of another's. */
static gboolean
may_pair(const PatchPairing *pairing, const Group *group, GHashTable *referrers_old, GHashTable *referrers_new)
{
    guint32 old_item = g_array_index(group->old_items, guint32, 0), new_item = g_array_index(group->new_items, guint32, 0);
    GHashTable *old_users = g_hash_table_lookup(referrers_old, GUINT_TO_POINTER(old_item));
    GHashTable *new_users = g_hash_table_lookup(referrers_new, GUINT_TO_POINTER(new_item));

    return !holds_state(pairing->new_elf, new_item) || (!old_users && !new_users) ||
           patch_referrers_common(old_users, new_users) > 0;
}

/* Pairs who are alone with their name on either side. */
static void
pair_by_name(PatchPairing *pairing, GHashTable *referrers_old, GHashTable *referrers_new)
{
    g_autoptr(GHashTable) groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) group_free);
    GHashTableIter iter;
    gpointer value;

    collect(groups, pairing->old_elf, pairing->new_of_old, FALSE, NULL);
    collect(groups, pairing->new_elf, pairing->old_of_new, TRUE, NULL);
    g_hash_table_iter_init(&iter, groups);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Group *group = value;

        if (group->old_items->len == 1 && group->new_items->len == 1 &&
            may_pair(pairing, group, referrers_old, referrers_new))
            pair(pairing, g_array_index(group->old_items, guint32, 0), g_array_index(group->new_items, guint32, 0));
    }
}

/* Pairs the members of each group of the same users that has as many of the one object as of the other, in the order of
 * their numbers. Of several that hold state that order says too little. */
static void
pair_by_signature(PatchPairing *pairing, GHashTable *referrers_old, GHashTable *referrers_new)
{
    g_autoptr(GHashTable) groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) group_free);
    GHashTableIter iter;
    gpointer value;

    collect(groups, pairing->old_elf, pairing->new_of_old, FALSE, referrers_old);
    collect(groups, pairing->new_elf, pairing->old_of_new, TRUE, referrers_new);
    g_hash_table_iter_init(&iter, groups);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Group *group = value;

        if (group->old_items->len != group->new_items->len ||
            (group->old_items->len > 1 && holds_state(pairing->old_elf, g_array_index(group->old_items, guint32, 0))))
            continue;
        g_array_sort_with_data(group->old_items, compare_names, (gpointer) pairing->old_elf);
        g_array_sort_with_data(group->new_items, compare_names, (gpointer) pairing->new_elf);
        for (guint i = 0; i < group->old_items->len; i++)
            pair(pairing, g_array_index(group->old_items, guint32, i), g_array_index(group->new_items, guint32, i));
    }
}

/* --- By where they are used */

/* What the relocation number INDEX of SECTION refers to, if that is a variable of the kind; else -1. */
static gint32
state_at(const PatchElf *elf, const PatchElfSection *section, guint index)
{
    PatchPlace place = patch_elf_place(elf, &g_array_index(section->relocs, PatchReloc, index));

    return place.kind == PATCH_PLACE_ITEM && holds_state(elf, place.index) ? (gint32) place.index : -1;
}

/* The variables that a function or datum refers to at the same places, if it is otherwise the same. */
static void
pair_within(PatchPairing *pairing, const PatchElfItem *old_item, const PatchElfItem *new_item)
{
    const PatchElfSection *old_section = patch_elf_section(pairing->old_elf, old_item->section);
    const PatchElfSection *new_section = patch_elf_section(pairing->new_elf, new_item->section);
    guint i = patch_elf_first_reloc(old_section, old_item->offset), j = patch_elf_first_reloc(new_section, new_item->offset);
    guint n = patch_elf_first_reloc(old_section, old_item->offset + old_item->size) - i;
    g_autofree guint8 *old_bytes = NULL, *new_bytes = NULL;

    if (!n || old_item->size != new_item->size || patch_elf_first_reloc(new_section, new_item->offset + new_item->size) - j != n)
        return;
    old_bytes = patch_elf_bytes(pairing->old_elf, old_item->section, old_item->offset, old_item->size);
    new_bytes = patch_elf_bytes(pairing->new_elf, new_item->section, new_item->offset, new_item->size);
    if (memcmp(old_bytes, new_bytes, old_item->size) != 0)
        return;
    for (guint k = 0; k < n; k++) {
        gint32 first = state_at(pairing->old_elf, old_section, i + k), second = state_at(pairing->new_elf, new_section, j + k);
        g_autofree char *first_key = first >= 0 ? group_key(pairing->old_elf, first, NULL) : NULL;
        g_autofree char *second_key = second >= 0 ? group_key(pairing->new_elf, second, NULL) : NULL;

        if (first_key && second_key && g_str_equal(first_key, second_key) && pairing->new_of_old[first] < 0 &&
            pairing->old_of_new[second] < 0)
            pair(pairing, first, second);
    }
}

static void
pair_by_place(PatchPairing *pairing)
{
    for (guint32 i = 0; i < pairing->old_elf->items->len; i++) {
        const PatchElfItem *item = patch_elf_item(pairing->old_elf, i);

        if (pairing->new_of_old[i] >= 0)
            pair_within(pairing, item, patch_elf_item(pairing->new_elf, pairing->new_of_old[i]));
    }
}

/* --- By what they hold */

/* What a read-only item without references holds, and its name; NULL for others. Of such it does not matter which is
 * which. */
static char *
content_key(const PatchElf *elf, guint32 item)
{
    const PatchElfItem *it = patch_elf_item(elf, item);
    const PatchElfSection *section = patch_elf_section(elf, it->section);
    guint first = patch_elf_first_reloc(section, it->offset);
    g_autofree char *name = NULL, *digest = NULL;

    if (section->flags & (SHF_WRITE | SHF_EXECINSTR) || !section->data || !it->size || !strchr(it->name, '.') ||
        first != patch_elf_first_reloc(section, it->offset + it->size))
        return NULL;
    name = patch_plain_name(it->name);
    digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, section->data + it->offset, it->size);
    return g_strconcat(name, " ", digest, NULL);
}

/* content_key -> GQueue of the unpaired items of ELF, as their numbers. */
static GHashTable *
items_by_content(const PatchElf *elf, const gint32 *pairs)
{
    GHashTable *items = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_queue_free);

    for (guint32 i = 0; i < elf->items->len; i++) {
        char *key = pairs[i] < 0 && patch_elf_takes_part(elf, i) ? content_key(elf, i) : NULL;
        GQueue *queue = key ? g_hash_table_lookup(items, key) : NULL;

        if (!key)
            continue;
        if (queue)
            g_free(key);
        else
            g_hash_table_insert(items, key, queue = g_queue_new());
        g_queue_push_tail(queue, GUINT_TO_POINTER(i));
    }
    return items;
}

/* Numbered constants (__func__.3) of the same content. */
static void
pair_by_content(PatchPairing *pairing)
{
    g_autoptr(GHashTable) old_items = items_by_content(pairing->old_elf, pairing->new_of_old);
    g_autoptr(GHashTable) new_items = items_by_content(pairing->new_elf, pairing->old_of_new);
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, old_items);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        GQueue *others = g_hash_table_lookup(new_items, key);

        while (others && !g_queue_is_empty(value) && !g_queue_is_empty(others))
            pair(pairing, GPOINTER_TO_UINT(g_queue_pop_head(value)), GPOINTER_TO_UINT(g_queue_pop_head(others)));
    }
}

/* The one of OTHERS that shares the most users with ITEM; -1 if none shares any, or several share as many. */
static gint32
closest(guint32 item, GHashTable *referrers, GArray *others, GHashTable *other_referrers)
{
    GHashTable *names = g_hash_table_lookup(referrers, GUINT_TO_POINTER(item));
    guint best_n = 0;
    gint32 best = -1;

    for (guint i = 0; i < others->len; i++) {
        guint32 other = g_array_index(others, guint32, i);
        guint n = patch_referrers_common(names, g_hash_table_lookup(other_referrers, GUINT_TO_POINTER(other)));

        if (n > best_n)
            best = other;
        else if (n == best_n)
            best = -1;
        best_n = MAX(n, best_n);
    }
    return best;
}

/* Of one name, who share the most users, seen from either side: some of their users are new or gone. */
static void
pair_by_users(PatchPairing *pairing, GHashTable *referrers_old, GHashTable *referrers_new)
{
    g_autoptr(GHashTable) groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) group_free);
    GHashTableIter iter;
    gpointer value;

    collect(groups, pairing->old_elf, pairing->new_of_old, FALSE, NULL);
    collect(groups, pairing->new_elf, pairing->old_of_new, TRUE, NULL);
    g_hash_table_iter_init(&iter, groups);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Group *group = value;

        if ((guint64) group->old_items->len * group->new_items->len > MAX_COMPARED)
            continue;
        for (guint i = 0; i < group->old_items->len; i++) {
            guint32 old_item = g_array_index(group->old_items, guint32, i);
            gint32 found = closest(old_item, referrers_old, group->new_items, referrers_new);

            if (found >= 0 && pairing->old_of_new[found] < 0 &&
                closest(found, referrers_new, group->old_items, referrers_old) == (gint32) old_item)
                pair(pairing, old_item, found);
        }
    }
}

/* Whoever is left on both sides under one name. */
static void
note_ambiguous(PatchPairing *pairing)
{
    g_autoptr(GHashTable) groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) group_free);
    GHashTableIter iter;
    gpointer value;

    collect(groups, pairing->old_elf, pairing->new_of_old, FALSE, NULL);
    collect(groups, pairing->new_elf, pairing->old_of_new, TRUE, NULL);
    g_hash_table_iter_init(&iter, groups);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Group *group = value;

        if (group->old_items->len && group->new_items->len) {
            guint32 item = g_array_index(group->new_items, guint32, 0);

            if (patch_elf_is_interchangeable(pairing->new_elf, item))
                continue;
            g_hash_table_add(pairing->ambiguous, patch_plain_name(patch_elf_item(pairing->new_elf, item)->name));
        }
    }
}

static gint32 *
unpaired(const PatchElf *elf)
{
    gint32 *items = g_new(gint32, MAX(elf->items->len, 1));

    for (guint i = 0; i < elf->items->len; i++)
        items[i] = -1;
    return items;
}

PatchPairing *
patch_pairing_new(const PatchElf *old_elf, const PatchElf *new_elf)
{
    PatchPairing *pairing = g_new0(PatchPairing, 1);
    g_autoptr(GHashTable) referrers_old = patch_referrers_find(old_elf);
    g_autoptr(GHashTable) referrers_new = patch_referrers_find(new_elf);

    pairing->old_elf = old_elf;
    pairing->new_elf = new_elf;
    pairing->new_of_old = unpaired(old_elf);
    pairing->old_of_new = unpaired(new_elf);
    pairing->ambiguous = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    pair_by_content(pairing);
    pair_by_name(pairing, referrers_old, referrers_new);
    pair_by_place(pairing);
    pair_by_signature(pairing, referrers_old, referrers_new);
    pair_by_users(pairing, referrers_old, referrers_new);
    pair_by_name(pairing, referrers_old, referrers_new);
    patch_leftover_pair(pairing, referrers_old, referrers_new);
    pairing->successors = patch_leftover_successors(pairing, referrers_old, referrers_new);
    note_ambiguous(pairing);
    return pairing;
}

void
patch_pairing_free(PatchPairing *pairing)
{
    if (!pairing)
        return;
    g_free(pairing->new_of_old);
    g_free(pairing->old_of_new);
    g_array_unref(pairing->successors);
    g_hash_table_unref(pairing->ambiguous);
    g_free(pairing);
}

gboolean
patch_pairing_is_ambiguous(const PatchPairing *pairing, const char *name)
{
    g_autofree char *plain = patch_plain_name(name);

    return g_hash_table_contains(pairing->ambiguous, plain);
}
