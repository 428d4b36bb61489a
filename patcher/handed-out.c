/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/handed-out.h"

#include "patcher/item-flow.h"
#include "patcher/register-flow.h"
#include "patcher/tables.h"

static gboolean
refers_to(const PatchElf *elf, const PatchElfSection *section, guint32 number)
{
    for (guint i = 0; i < section->relocs->len; i++) {
        PatchPlace place = patch_elf_place(elf, &g_array_index(section->relocs, PatchReloc, i));

        if (place.kind == PATCH_PLACE_ITEM && place.index == number && place.offset == 0)
            return TRUE;
    }
    return FALSE;
}

static gboolean
is_in_table(const PatchElf *elf, guint32 number)
{
    for (guint32 i = 1; i < elf->sections->len; i++) {
        const PatchElfSection *section = patch_elf_section(elf, i);

        if (!patch_elf_is_code(section) && !patch_tables_own(section->name) && refers_to(elf, section, number))
            return TRUE;
    }
    return FALSE;
}

static gboolean
is_given_away(const PatchElf *elf, GArray *entries, guint32 number)
{
    return patch_item_leaves(elf, entries, number) & PATCH_LEAVES_ANYHOW;
}

void
patch_handed_out_find(const PatchDiff *diff, GPtrArray *findings)
{
    for (guint i = 0; i < diff->changed->len; i++) {
        guint32 number = g_array_index(diff->changed, guint32, i);
        const char *name = patch_elf_item(diff->pairing->new_elf, number)->name;

        /* What is in a table now may be called by the same as before; what is in one of the old is changed there. */
        if (is_given_away(diff->pairing->old_elf, diff->old_entries, diff->pairing->old_of_new[number]) &&
            !is_in_table(diff->pairing->new_elf, number) &&
            !is_given_away(diff->pairing->new_elf, diff->new_entries, number))
            patch_findings_add(findings, PATCH_FINDING_FUNCTION, name,
                               "%s changes, and is a callback no more: objects in a running kernel's memory may hold its address, "
                               "and would call the new one; leave it as it is, and give the new one another name", name);
    }
}
