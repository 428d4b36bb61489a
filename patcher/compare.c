/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/compare.h"

#include <elf.h>

#include "patcher/initial.h"
#include "patcher/tables.h"
#include "patcher/update-format.h"

/* Of PatchDiff.same. */
enum { UNKNOWN, ASSUMED, SAME, DIFFERENT };

typedef struct {
    guint32 section;
    guint64 offset, size;
} Stretch;

static gboolean
is_writable(const PatchElf *elf, guint32 section)
{
    return patch_elf_section(elf, section)->flags & SHF_WRITE;
}

static gboolean
compare_literals(PatchDiff *diff, const PatchPlace *old_place, const PatchPlace *new_place)
{
    gsize old_length, new_length;
    const guint8 *old_bytes = patch_elf_literal(diff->pairing->old_elf, old_place, &old_length);
    const guint8 *new_bytes = patch_elf_literal(diff->pairing->new_elf, new_place, &new_length);

    return old_length == new_length && memcmp(old_bytes, new_bytes, old_length) == 0;
}

/* Whether what ITEM holds can have become something else since the kernel was built. */
static gboolean
may_differ_by_now(const PatchElf *elf, const PatchElfItem *item)
{
    return is_writable(elf, item->section) && !patch_is_report_section(patch_elf_section(elf, item->section)->name);
}

/* Items without a name, or whose name says nothing, are the same if they look the same and nobody can write to them. */
static gboolean
compare_unpaired(PatchDiff *diff, guint32 old_item, guint32 new_item)
{
    const PatchElf *old_elf = diff->pairing->old_elf, *new_elf = diff->pairing->new_elf;
    const PatchElfItem *old_it = patch_elf_item(old_elf, old_item), *new_it = patch_elf_item(new_elf, new_item);

    if (!old_it->size && !new_it->size)
        return TRUE;
    if (may_differ_by_now(old_elf, old_it) || may_differ_by_now(new_elf, new_it))
        return old_it->symbol < 0 && new_it->symbol < 0 && g_str_equal(old_it->name, new_it->name) &&
               old_it->size == new_it->size;
    if (old_it->is_function || new_it->is_function)
        return FALSE;
    return patch_compare_items(diff, old_item, new_item);
}

static gboolean
is_boot_jump(const PatchElf *elf, const PatchPlace *place)
{
    return place->kind == PATCH_PLACE_ITEM &&
           g_str_equal(patch_elf_section(elf, patch_elf_item(elf, place->index)->section)->name, ".altinstr_aux");
}

gboolean
patch_compare_places(PatchDiff *diff, const PatchPlace *old_place, const PatchPlace *new_place)
{
    const PatchPairing *pairing = diff->pairing;
    const PatchElfItem *item;

    if (old_place->kind != new_place->kind)
        return FALSE;
    if (old_place->kind == PATCH_PLACE_LITERAL)
        return compare_literals(diff, old_place, new_place);
    /* The tests of static_cpu_has() before alternatives are applied, of the whole file in one piece. The alternatives
     * say the same, and are compared. */
    if (is_boot_jump(pairing->old_elf, old_place) && is_boot_jump(pairing->new_elf, new_place))
        return TRUE;
    if (old_place->offset != new_place->offset)
        return FALSE;
    if (old_place->kind == PATCH_PLACE_EXTERN)
        return g_str_equal(patch_elf_symbol(pairing->old_elf, old_place->index)->name,
                           patch_elf_symbol(pairing->new_elf, new_place->index)->name);
    if (old_place->kind == PATCH_PLACE_ABSOLUTE)
        return g_str_equal(patch_elf_section(pairing->old_elf, old_place->index)->name,
                           patch_elf_section(pairing->new_elf, new_place->index)->name);
    if (pairing->new_of_old[old_place->index] != (gint32) new_place->index)
        return compare_unpaired(diff, old_place->index, new_place->index);
    item = patch_elf_item(pairing->old_elf, old_place->index);
    return item->is_function || is_writable(pairing->old_elf, item->section) ||
           patch_initial_find(diff, new_place->index) || patch_compare_items(diff, old_place->index, new_place->index);
}

static gboolean
compare_relocs(PatchDiff *diff, const Stretch *old_stretch, const Stretch *new_stretch)
{
    const PatchElfSection *old_section = patch_elf_section(diff->pairing->old_elf, old_stretch->section);
    const PatchElfSection *new_section = patch_elf_section(diff->pairing->new_elf, new_stretch->section);
    guint i = patch_elf_first_reloc(old_section, old_stretch->offset);
    guint j = patch_elf_first_reloc(new_section, new_stretch->offset);
    guint old_end = patch_elf_first_reloc(old_section, old_stretch->offset + old_stretch->size);
    guint new_end = patch_elf_first_reloc(new_section, new_stretch->offset + new_stretch->size);

    if (old_end - i != new_end - j)
        return FALSE;
    for (; i < old_end; i++, j++) {
        const PatchReloc *old_reloc = &g_array_index(old_section->relocs, PatchReloc, i);
        const PatchReloc *new_reloc = &g_array_index(new_section->relocs, PatchReloc, j);
        PatchPlace old_place = patch_elf_place(diff->pairing->old_elf, old_reloc);
        PatchPlace new_place = patch_elf_place(diff->pairing->new_elf, new_reloc);

        if (old_reloc->offset - old_stretch->offset != new_reloc->offset - new_stretch->offset ||
            patch_fixup_width(old_reloc->type) != patch_fixup_width(new_reloc->type) ||
            patch_reloc_is_pc_relative(old_reloc->type) != patch_reloc_is_pc_relative(new_reloc->type) ||
            !patch_compare_places(diff, &old_place, &new_place))
            return FALSE;
    }
    return TRUE;
}

static gboolean
compare_stretches(PatchDiff *diff, const Stretch *old_stretch, const Stretch *new_stretch)
{
    g_autofree guint8 *old_bytes = NULL, *new_bytes = NULL;

    if (old_stretch->size != new_stretch->size)
        return FALSE;
    old_bytes = patch_elf_bytes(diff->pairing->old_elf, old_stretch->section, old_stretch->offset, old_stretch->size);
    new_bytes = patch_elf_bytes(diff->pairing->new_elf, new_stretch->section, new_stretch->offset, new_stretch->size);
    return memcmp(old_bytes, new_bytes, old_stretch->size) == 0 && compare_relocs(diff, old_stretch, new_stretch);
}

static gboolean
compare_choices(PatchDiff *diff, const PatchTableEntry *old_entry, const PatchTableEntry *new_entry)
{
    PatchAlternative old_choice, new_choice;
    Stretch old_stretch, new_stretch;

    if (!patch_table_alternative(diff->pairing->old_elf, old_entry, &old_choice, NULL) ||
        !patch_table_alternative(diff->pairing->new_elf, new_entry, &new_choice, NULL) ||
        old_choice.feature != new_choice.feature || old_choice.length != new_choice.length)
        return FALSE;
    old_stretch = (Stretch) { old_choice.section, old_choice.offset, old_choice.choice_length };
    new_stretch = (Stretch) { new_choice.section, new_choice.offset, new_choice.choice_length };
    return compare_stretches(diff, &old_stretch, &new_stretch);
}

/* An entry of __bug_table, but for its line: struct bug_entry ends in u16 line (if bugs are told with file and line),
 * and u16 flags. */
static gboolean
compare_bugs(PatchDiff *diff, const PatchTableEntry *old_entry, const PatchTableEntry *new_entry)
{
    const PatchElf *old_elf = diff->pairing->old_elf, *new_elf = diff->pairing->new_elf;
    const guint8 *old_end = patch_elf_section(old_elf, old_entry->section)->data + old_entry->offset + old_entry->size;
    const guint8 *new_end = patch_elf_section(new_elf, new_entry->section)->data + new_entry->offset + new_entry->size;
    const PatchReloc *old_file = patch_table_reloc(old_elf, old_entry, 4);
    const PatchReloc *new_file = patch_table_reloc(new_elf, new_entry, 4);
    PatchPlace old_place, new_place;

    if (memcmp(old_end - 2, new_end - 2, 2) != 0 || !old_file != !new_file)
        return FALSE;
    if (!old_file)
        return TRUE;
    old_place = patch_elf_place(old_elf, old_file);
    new_place = patch_elf_place(new_elf, new_file);
    return patch_compare_places(diff, &old_place, &new_place);
}

static gboolean
compare_entry(PatchDiff *diff, const PatchTableEntry *old_entry, const PatchTableEntry *new_entry)
{
    Stretch old_stretch = { old_entry->section, old_entry->offset, old_entry->size };
    Stretch new_stretch = { new_entry->section, new_entry->offset, new_entry->size };

    if (old_entry->kind != new_entry->kind || old_entry->size != new_entry->size)
        return FALSE;
    if (old_entry->kind == PATCH_TABLE_ALTERNATIVES)
        return compare_choices(diff, old_entry, new_entry);
    if (old_entry->kind == PATCH_TABLE_BUGS)
        return compare_bugs(diff, old_entry, new_entry);
    return compare_stretches(diff, &old_stretch, &new_stretch);
}

/* By kind and place: the order of tables in the file says nothing. */
static gboolean
compare_entries(PatchDiff *diff, const PatchElfItem *old_item, const PatchElfItem *new_item)
{
    guint i = patch_tables_first(diff->old_entries, old_item->section, old_item->offset);
    guint j = patch_tables_first(diff->new_entries, new_item->section, new_item->offset);
    guint old_end = patch_tables_first(diff->old_entries, old_item->section, old_item->offset + old_item->size);
    guint new_end = patch_tables_first(diff->new_entries, new_item->section, new_item->offset + new_item->size);

    if (old_end - i != new_end - j)
        return FALSE;
    for (; i < old_end; i++, j++) {
        const PatchTableEntry *old_entry = &g_array_index(diff->old_entries, PatchTableEntry, i);
        const PatchTableEntry *new_entry = &g_array_index(diff->new_entries, PatchTableEntry, j);

        if (old_entry->code_offset - old_item->offset != new_entry->code_offset - new_item->offset ||
            !compare_entry(diff, old_entry, new_entry))
            return FALSE;
    }
    return TRUE;
}

/* What is known of two items, which need not be a pair. */
static guint8
remembered(const PatchDiff *diff, guint64 key, gboolean is_pair)
{
    return is_pair ? diff->same[key >> 32] : GPOINTER_TO_UINT(g_hash_table_lookup(diff->same_unpaired, &key));
}

static void
remember(PatchDiff *diff, guint64 key, guint8 same)
{
    if (diff->pairing->new_of_old[key >> 32] == (gint32) key)
        diff->same[key >> 32] = same;
    else
        g_hash_table_insert(diff->same_unpaired, g_memdup2(&key, sizeof key), GUINT_TO_POINTER(same));
}

/* Forgets what was found the same since there were N: it may rest on what was assumed of an item that is not. */
static void
forget(PatchDiff *diff, guint n)
{
    for (guint i = n; i < diff->decided->len; i++)
        remember(diff, g_array_index(diff->decided, guint64, i), UNKNOWN);
    g_array_set_size(diff->decided, n);
}

gboolean
patch_compare_items(PatchDiff *diff, guint32 old_number, guint32 new_number)
{
    const PatchElfItem *old_item = patch_elf_item(diff->pairing->old_elf, old_number);
    const PatchElfItem *new_item = patch_elf_item(diff->pairing->new_elf, new_number);
    Stretch old_stretch = { old_item->section, old_item->offset, old_item->size };
    Stretch new_stretch = { new_item->section, new_item->offset, new_item->size };
    guint64 key = (guint64) old_number << 32 | new_number;
    guint8 known = remembered(diff, key, diff->pairing->new_of_old[old_number] == (gint32) new_number);
    guint n_decided = diff->decided->len;
    gboolean same;

    if (known != UNKNOWN)
        return known != DIFFERENT;
    /* Data that refer to each other are the same unless something else tells them apart. */
    remember(diff, key, ASSUMED);
    same = compare_stretches(diff, &old_stretch, &new_stretch) &&
           (!old_item->is_function || compare_entries(diff, old_item, new_item));
    if (same)
        g_array_append_val(diff->decided, key);
    else
        forget(diff, n_decided);
    remember(diff, key, same ? SAME : DIFFERENT);
    return same;
}
