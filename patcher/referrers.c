/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/referrers.h"

#include "patcher/item-name.h"
#include "patcher/pairing.h"

static void
add_referrer(GHashTable *referrers, guint32 item, const char *name)
{
    GHashTable *names = g_hash_table_lookup(referrers, GUINT_TO_POINTER(item));

    if (!names) {
        names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_hash_table_insert(referrers, GUINT_TO_POINTER(item), names);
    }
    g_hash_table_add(names, g_strdup(name));
}

GHashTable *
patch_referrers_find(const PatchElf *elf)
{
    GHashTable *referrers = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify) g_hash_table_unref);

    for (guint32 i = 0; i < elf->items->len; i++) {
        const PatchElfItem *item = patch_elf_item(elf, i);
        const PatchElfSection *section = patch_elf_section(elf, item->section);
        g_autofree char *whole = NULL, *name = NULL;

        if (!patch_elf_takes_part(elf, i))
            continue;
        whole = patch_whole_name(item->name);
        name = patch_plain_name(whole);
        for (guint j = patch_elf_first_reloc(section, item->offset); j < section->relocs->len; j++) {
            const PatchReloc *reloc = &g_array_index(section->relocs, PatchReloc, j);
            PatchPlace place;

            if (reloc->offset >= item->offset + item->size)
                break;
            place = patch_elf_place(elf, reloc);
            if (place.kind == PATCH_PLACE_ITEM && place.index != i)
                add_referrer(referrers, place.index, name);
        }
    }
    return referrers;
}

guint
patch_referrers_common(GHashTable *first, GHashTable *second)
{
    GHashTableIter iter;
    gpointer name;
    guint n = 0;

    if (!first || !second)
        return 0;
    g_hash_table_iter_init(&iter, first);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        n += g_hash_table_contains(second, name);
    return n;
}
