/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/item-flow.h"

#include "patcher/register-flow.h"
#include "patcher/tables.h"

/* Of what a reference leads to, that of a call counts. */
static const char *
name_of_callee(const PatchElf *elf, const PatchReloc *reloc, const PatchPlace *place)
{
    if (place->kind == PATCH_PLACE_EXTERN)
        return patch_elf_symbol(elf, place->index)->name;
    return place->kind == PATCH_PLACE_ITEM && reloc->is_branch && place->offset == 0 ? patch_elf_item(elf, place->index)->name
                                                                                       : "";
}

/* The function as the only piece of an object. */
static PatchObject *
object_of(const PatchElf *elf, const PatchElfItem *function)
{
    const PatchElfSection *section = patch_elf_section(elf, function->section);
    g_autofree guint8 *bytes = patch_elf_bytes(elf, function->section, function->offset, function->size);
    PatchObject *object = patch_object_new();
    PatchPiece *piece = patch_object_add_piece(object, function->name, PATCH_PIECE_TEXT, 1, function->size);

    g_byte_array_append(piece->code->bytes, bytes, function->size);
    for (guint i = patch_elf_first_reloc(section, function->offset); i < section->relocs->len; i++) {
        const PatchReloc *reloc = &g_array_index(section->relocs, PatchReloc, i);
        PatchPlace place = patch_elf_place(elf, reloc);
        PatchFixup fixup = { reloc->offset - function->offset, reloc->type, reloc->addend, PATCH_TARGET_SYMBOL,
                             object->symbols->len };

        if (reloc->offset >= function->offset + function->size)
            break;
        patch_object_add_symbol(object, name_of_callee(elf, reloc, &place), -1, 0, 0);
        g_array_append_val(piece->code->fixups, fixup);
    }
    return object;
}

static gboolean
may_fault(GArray *entries, const PatchElfItem *function)
{
    guint end = patch_tables_first(entries, function->section, function->offset + function->size);

    for (guint i = patch_tables_first(entries, function->section, function->offset); i < end; i++)
        if (g_array_index(entries, PatchTableEntry, i).kind == PATCH_TABLE_EXCEPTIONS)
            return TRUE;
    return FALSE;
}

/* The reference is in FUNCTION. Where an access may fault, not all ways are known. */
static guint
leaves_function(const PatchElf *elf, GArray *entries, const PatchElfItem *function, const PatchReloc *reloc, gboolean is_function)
{
    PatchFixup fixup = { .offset = reloc->offset - function->offset };
    g_autoptr(PatchObject) object = NULL;
    g_autoptr(PatchFlow) flow = NULL;

    if (function->is_opaque || may_fault(entries, function))
        return PATCH_LEAVES_ADDRESS;
    object = object_of(elf, function);
    flow = patch_flow_new(object, 0);
    return flow ? patch_flow_follow(flow, &fixup, is_function) : PATCH_LEAVES_ADDRESS;
}

static guint
leaves_section(const PatchElf *elf, GArray *entries, guint32 index, guint32 item)
{
    const PatchElfSection *section = patch_elf_section(elf, index);
    gboolean is_function = patch_elf_item(elf, item)->is_function;
    guint leaves = 0;

    for (guint i = 0; i < section->relocs->len; i++) {
        const PatchReloc *reloc = &g_array_index(section->relocs, PatchReloc, i);
        PatchPlace place = patch_elf_place(elf, reloc);
        gint32 user;

        if (place.kind != PATCH_PLACE_ITEM || place.index != item || reloc->is_branch || (is_function && place.offset != 0))
            continue;
        user = patch_elf_item_at(elf, index, reloc->offset);
        leaves |= user >= 0 ? leaves_function(elf, entries, patch_elf_item(elf, user), reloc, is_function) : PATCH_LEAVES_ADDRESS;
    }
    return leaves;
}

guint
patch_item_leaves(const PatchElf *elf, GArray *entries, guint32 item)
{
    guint leaves = 0;

    for (guint32 i = 1; i < elf->sections->len; i++)
        if (patch_elf_is_code(patch_elf_section(elf, i)))
            leaves |= leaves_section(elf, entries, i, item);
    return leaves;
}
