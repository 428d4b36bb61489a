/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/handed-out.h"

#include "patcher/tables.h"

/* Whether anything in SECTION refers to the function NUMBER, but for calls and jumps of code. */
static gboolean
hands_out(const PatchElf *elf, const PatchElfSection *section, guint32 number)
{
    for (guint i = 0; i < section->relocs->len; i++) {
        const PatchReloc *reloc = &g_array_index(section->relocs, PatchReloc, i);
        PatchPlace place;

        if (reloc->is_branch)
            continue;
        place = patch_elf_place(elf, reloc);
        if (place.kind == PATCH_PLACE_ITEM && place.index == number && place.offset == 0)
            return TRUE;
    }
    return FALSE;
}

static gboolean
is_handed_out(const PatchElf *elf, guint32 number, gboolean by_data)
{
    for (guint32 i = 1; i < elf->sections->len; i++) {
        const PatchElfSection *section = patch_elf_section(elf, i);

        if ((patch_elf_is_code(section) || (by_data && !patch_tables_own(section->name))) && hands_out(elf, section, number))
            return TRUE;
    }
    return FALSE;
}

void
patch_handed_out_find(const PatchDiff *diff, GPtrArray *findings)
{
    for (guint i = 0; i < diff->changed->len; i++) {
        guint32 number = g_array_index(diff->changed, guint32, i);
        const char *name = patch_elf_item(diff->pairing->new_elf, number)->name;

        /* What is in a table now may be called by the same as before; what is in one of the old is changed there. */
        if (is_handed_out(diff->pairing->old_elf, diff->pairing->old_of_new[number], FALSE) &&
            !is_handed_out(diff->pairing->new_elf, number, TRUE))
            patch_findings_add(findings, PATCH_FINDING_FUNCTION, name,
                               "%s changes, and is a callback no more: objects in a running kernel's memory may hold its address, "
                               "and would call the new one; leave it as it is, and give the new one another name", name);
    }
}
