/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/dwarf-layout.h"

#include <dwarf.h>

#include "patcher/dwarf-type.h"

#define MAX_DEPTH 32            /* nameless members in nameless members */

guint64
patch_dwarf_size(Dwarf_Die *type)
{
    Dwarf_Word size;

    return dwarf_aggregate_size(type, &size) == 0 && size <= G_MAXINT32 ? size : 0;
}

gboolean
patch_dwarf_peel(Dwarf_Die *type)
{
    return dwarf_peel_type(type, type) == 0;
}

gboolean
patch_dwarf_is_structure(Dwarf_Die *type)
{
    return dwarf_tag(type) == DW_TAG_structure_type || dwarf_tag(type) == DW_TAG_union_type;
}

static gboolean
find_member(Dwarf_Die *type, const char *name, Dwarf_Die *member, guint64 *bits, guint depth)
{
    Dwarf_Die child, inner;

    if (depth >= MAX_DEPTH || dwarf_child(type, &child) != 0)
        return FALSE;
    do {
        const char *its = dwarf_diename(&child);
        guint64 n_bits = patch_dwarf_number(&child, DW_AT_bit_size, 0), within = 0;

        if (dwarf_tag(&child) != DW_TAG_member)
            continue;
        *member = child;
        if (its && g_str_equal(its, name)) {
            *bits = patch_dwarf_member_offset(&child, n_bits, n_bits != 0);
            return TRUE;
        }
        if (its || n_bits || !patch_dwarf_type_of(&child, &inner) || !patch_dwarf_peel(&inner) ||
            !patch_dwarf_is_structure(&inner) || !find_member(&inner, name, member, &within, depth + 1))
            continue;
        *bits = patch_dwarf_member_offset(&child, 0, FALSE) + within;
        return TRUE;
    } while (dwarf_siblingof(&child, &child) == 0);
    return FALSE;
}

gboolean
patch_dwarf_find_member(Dwarf_Die *type, const char *name, Dwarf_Die *member, guint64 *bits)
{
    return find_member(type, name, member, bits, 0);
}

gboolean
patch_dwarf_member_at(Dwarf_Die *type, guint64 *offset, const char **name)
{
    Dwarf_Die child, inner;

    if (dwarf_child(type, &child) != 0)
        return FALSE;
    do {
        guint64 bits;

        if (dwarf_tag(&child) != DW_TAG_member || patch_dwarf_number(&child, DW_AT_bit_size, 0) ||
            !patch_dwarf_type_of(&child, &inner))
            continue;
        bits = patch_dwarf_member_offset(&child, 0, FALSE);
        if (*offset < bits / 8 || *offset - bits / 8 >= patch_dwarf_size(&inner))
            continue;
        *offset -= bits / 8;
        *type = inner;
        if (name)
            *name = dwarf_diename(&child);
        return TRUE;
    } while (dwarf_siblingof(&child, &child) == 0);
    return FALSE;
}

guint64
patch_dwarf_elements(Dwarf_Die *array)
{
    guint n_dimensions = 0;
    guint64 n = 0;
    Dwarf_Die child;

    if (dwarf_child(array, &child) != 0)
        return 0;
    do {
        guint64 last = patch_dwarf_number(&child, DW_AT_upper_bound, G_MAXUINT64);

        if (dwarf_tag(&child) != DW_TAG_subrange_type)
            continue;
        n = patch_dwarf_number(&child, DW_AT_count, last + 1);
        n_dimensions++;
    } while (dwarf_siblingof(&child, &child) == 0);
    return n_dimensions == 1 ? n : 0;
}
