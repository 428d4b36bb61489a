/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/hook-table.h"

#include <elf.h>
#include <string.h>

#include "patcher/error.h"

#define SECTION ".virt_livepatch.hooks"

/* struct virt_livepatch_hook: kind, seconds, pointer. */
#define ENTRY_BYTES 16
#define ENTRY_FUNCTION 8

static gboolean
refuse(const char *what, guint64 offset, GError **error)
{
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                "hook %" G_GUINT64_FORMAT " %s; they are made with the macros of <virt-livepatch.h>",
                offset / ENTRY_BYTES + 1, what);
    return FALSE;
}

static gboolean
read_entry(const PatchElf *elf, const PatchElfSection *section, guint64 offset, PatchHookEntry *entry, GError **error)
{
    guint first = patch_elf_first_reloc(section, offset + ENTRY_FUNCTION);
    const PatchReloc *reloc = first < section->relocs->len ? &g_array_index(section->relocs, PatchReloc, first) : NULL;
    guint32 words[2];
    PatchPlace place;

    memcpy(words, section->data + offset, sizeof words);
    entry->kind = GUINT32_FROM_LE(words[0]);
    entry->limit_s = GUINT32_FROM_LE(words[1]);
    if ((guint) entry->kind >= PATCH_N_HOOK_KINDS)
        return refuse("is of no kind that is known", offset, error);
    if (entry->limit_s == 0 || entry->limit_s > PATCH_MAX_HOOK_SECONDS)
        return refuse("has an impossible time limit", offset, error);
    if (!reloc || reloc->offset != offset + ENTRY_FUNCTION || reloc->type != R_X86_64_64)
        return refuse("names no function", offset, error);
    place = patch_elf_place(elf, reloc);
    if (place.kind != PATCH_PLACE_ITEM || place.offset != 0 || !patch_elf_item(elf, place.index)->is_function)
        return refuse("names no function of its own file", offset, error);
    entry->item = place.index;
    return TRUE;
}

GArray *
patch_hook_table_read(const PatchElf *elf, GError **error)
{
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(PatchHookEntry));

    for (guint32 i = patch_elf_find_section(elf, SECTION, 0); i; i = patch_elf_find_section(elf, SECTION, i)) {
        const PatchElfSection *section = patch_elf_section(elf, i);

        for (guint64 offset = 0; section->data && offset + ENTRY_BYTES <= section->size; offset += ENTRY_BYTES) {
            PatchHookEntry entry;

            if (!read_entry(elf, section, offset, &entry, error))
                return NULL;
            g_array_append_val(entries, entry);
        }
    }
    return g_steal_pointer(&entries);
}

gboolean
patch_hook_table_is_there(const PatchElf *elf)
{
    return patch_elf_find_section(elf, SECTION, 0) != 0;
}
