/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/unwind-table.h"

#include <string.h>

#include "patcher/error.h"

#define PLACE_BYTES 4

static gboolean
unknown_layout(GError **error)
{
    g_set_error_literal(error, PATCH_ERROR, PATCH_ERROR_FAILED, "the object's unwind data have a layout that is not known");
    return FALSE;
}

static gboolean
read_places(const PatchElf *elf, const PatchElfSection *ips, const PatchElfSection *entries, gsize entry_bytes,
            GArray *places, GError **error)
{
    for (guint i = 0; i < ips->relocs->len; i++) {
        const PatchReloc *reloc = &g_array_index(ips->relocs, PatchReloc, i);
        const PatchElfSymbol *symbol = patch_elf_symbol(elf, reloc->symbol);
        PatchUnwindPlace place = { symbol->section, symbol->value + reloc->addend, 0 };
        guint64 entry = 0;

        if (reloc->offset != i * PLACE_BYTES || symbol->section < 0)
            return unknown_layout(error);
        memcpy(&entry, entries->data + i * entry_bytes, entry_bytes);
        place.entry = GUINT64_FROM_LE(entry);
        g_array_append_val(places, place);
    }
    return TRUE;
}

static int
compare_places(gconstpointer a, gconstpointer b)
{
    const PatchUnwindPlace *first = a, *second = b;

    if (first->section != second->section)
        return first->section < second->section ? -1 : 1;
    return first->offset < second->offset ? -1 : first->offset > second->offset;
}

GArray *
patch_unwind_table_read(const PatchElf *elf, guint8 *entry_bytes, GError **error)
{
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(PatchUnwindPlace));
    guint32 ips_number = patch_elf_find_section(elf, ".orc_unwind_ip", 0);
    guint32 entries_number = patch_elf_find_section(elf, ".orc_unwind", 0);
    const PatchElfSection *ips, *entries;
    guint64 n;

    *entry_bytes = 0;
    if (!ips_number || !entries_number)
        return g_steal_pointer(&places);
    ips = patch_elf_section(elf, ips_number);
    entries = patch_elf_section(elf, entries_number);
    n = ips->size / PLACE_BYTES;
    if (n == 0)
        return g_steal_pointer(&places);
    if (ips->relocs->len != n || ips->size % PLACE_BYTES || entries->size % n || entries->size / n > sizeof(guint64) ||
        entries->size == 0 || !entries->data) {
        unknown_layout(error);
        return NULL;
    }
    *entry_bytes = entries->size / n;
    if (!read_places(elf, ips, entries, *entry_bytes, places, error))
        return NULL;
    g_array_sort(places, compare_places);
    return g_steal_pointer(&places);
}

guint
patch_unwind_table_at(const GArray *places, guint32 section, guint64 offset)
{
    guint low = 0, high = places->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        const PatchUnwindPlace *place = &g_array_index(places, PatchUnwindPlace, middle);

        if (place->section < section || (place->section == section && place->offset <= offset))
            low = middle + 1;
        else
            high = middle;
    }
    if (low > 0 && g_array_index(places, PatchUnwindPlace, low - 1).section == section)
        low--;
    return low;
}
