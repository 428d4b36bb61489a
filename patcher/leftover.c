/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/leftover.h"

#include <elf.h>
#include <string.h>

#include "patcher/item-name.h"
#include "patcher/referrers.h"
#include "patcher/tables.h"

/* The variables of ELF that have no pair, and hold something that would be lost; of guint32, to be unreffed. */
static GArray *
find_leftover(const PatchElf *elf, const gint32 *pairs)
{
    GArray *items = g_array_new(FALSE, FALSE, sizeof(guint32));

    for (guint32 i = 0; i < elf->items->len; i++) {
        const PatchElfItem *item = patch_elf_item(elf, i);
        const PatchElfSection *section = patch_elf_section(elf, item->section);

        if (pairs[i] < 0 && !item->is_function && item->size && section->flags & SHF_WRITE && patch_elf_takes_part(elf, i) &&
            !patch_is_boot_section(section->name) && !patch_is_report_section(section->name) &&
            !patch_elf_is_interchangeable(elf, i))
            g_array_append_val(items, i);
    }
    return items;
}

/* What the source calls the variable; to be freed. gcc numbers those of functions, clang puts the function's name before
 * them. */
static char *
source_name(const PatchElf *elf, guint32 item)
{
    g_autofree char *name = patch_plain_name(patch_elf_item(elf, item)->name);
    const char *dot = strchr(name, '.');
    g_autofree char *function = g_strndup(name, dot ? (gsize) (dot - name) : 0);
    gint32 number = dot ? patch_elf_find_item(elf, function) : -1;

    return number >= 0 && patch_elf_item(elf, number)->is_function ? g_strdup(dot + 1) : g_steal_pointer(&name);
}

/* The only one of ITEMS that is called NAME; -1 if there is none, or several are. */
static gint32
only_of_name(const PatchElf *elf, const GArray *items, const char *name)
{
    gint32 found = -1;

    for (guint i = 0; i < items->len; i++) {
        guint32 item = g_array_index(items, guint32, i);
        g_autofree char *plain = source_name(elf, item);

        if (!g_str_equal(plain, name))
            continue;
        if (found >= 0)
            return -1;
        found = (gint32) item;
    }
    return found;
}

/* Whether they have the same size, and any user in common. */
static gboolean
may_succeed(const PatchPairing *pairing, guint32 old_item, guint32 new_item, GHashTable *referrers_old,
            GHashTable *referrers_new)
{
    return patch_elf_item(pairing->old_elf, old_item)->size == patch_elf_item(pairing->new_elf, new_item)->size &&
           patch_referrers_common(g_hash_table_lookup(referrers_old, GUINT_TO_POINTER(old_item)),
                                  g_hash_table_lookup(referrers_new, GUINT_TO_POINTER(new_item))) > 0;
}

void
patch_leftover_pair(PatchPairing *pairing, GHashTable *referrers_old, GHashTable *referrers_new)
{
    g_autoptr(GArray) old_items = find_leftover(pairing->old_elf, pairing->new_of_old);
    g_autoptr(GArray) new_items = find_leftover(pairing->new_elf, pairing->old_of_new);

    for (guint i = 0; i < old_items->len; i++) {
        guint32 old_item = g_array_index(old_items, guint32, i);
        const char *own = patch_elf_item(pairing->old_elf, old_item)->name;
        g_autofree char *name = source_name(pairing->old_elf, old_item);
        gint32 new_item = only_of_name(pairing->new_elf, new_items, name);

        if (new_item < 0 || only_of_name(pairing->old_elf, old_items, name) < 0 ||
            g_str_equal(own, name) == g_str_equal(patch_elf_item(pairing->new_elf, new_item)->name, name) ||
            !may_succeed(pairing, old_item, new_item, referrers_old, referrers_new))
            continue;
        pairing->new_of_old[old_item] = new_item;
        pairing->old_of_new[new_item] = (gint32) old_item;
    }
}

GArray *
patch_leftover_successors(const PatchPairing *pairing, GHashTable *referrers_old, GHashTable *referrers_new)
{
    g_autoptr(GArray) old_items = find_leftover(pairing->old_elf, pairing->new_of_old);
    g_autoptr(GArray) new_items = find_leftover(pairing->new_elf, pairing->old_of_new);
    GArray *successors = g_array_new(FALSE, FALSE, sizeof(PatchSuccessor));

    for (guint i = 0; i < old_items->len; i++)
        for (guint j = 0; j < new_items->len; j++) {
            PatchSuccessor it = { g_array_index(old_items, guint32, i), g_array_index(new_items, guint32, j) };

            if (may_succeed(pairing, it.old_item, it.new_item, referrers_old, referrers_new))
                g_array_append_val(successors, it);
        }
    return successors;
}
