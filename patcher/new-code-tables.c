/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's tables say of new code: where it may fault, how it is unwound, and what cannot be carried. */
#include <string.h>

#include "patcher/new-code-private.h"
#include "patcher/unwind-table.h"

/* struct exception_table_entry: instruction, where to go on, handler or data. */
#define EXCEPTION_BYTES 12
#define EXCEPTION_TO 4
#define EXCEPTION_LAST 8

static gboolean
supports(const PatchNewCode *code, PatchTableKind kind)
{
    return code->as_built || !patch_table_is_for_own_code(kind);
}

gboolean
patch_new_code_check_tables(const PatchNewCode *code, const PatchElfItem *item, GError **error)
{
    GArray *entries = code->diff->new_entries;
    guint end = patch_tables_first(entries, item->section, item->offset + item->size);

    for (guint i = patch_tables_first(entries, item->section, item->offset); i < end; i++) {
        PatchTableKind kind = g_array_index(entries, PatchTableEntry, i).kind;

        if (!supports(code, kind))
            return patch_new_code_refuse(code, error,
                                         "has an entry in %s: %s in new code cannot be carried by an update yet",
                                         patch_table_name(kind), patch_table_meaning(kind));
    }
    return TRUE;
}

/* The last word of an exception's entry: the handler that it refers to, or else what it says itself. */
static gboolean
read_exception_kind(PatchNewCode *code, const PatchTableEntry *entry, PatchException *exception, GError **error)
{
    const PatchReloc *reloc = patch_table_reloc(code->elf, entry, EXCEPTION_LAST);
    PatchPlace place;

    exception->handler = -1;
    memcpy(&exception->data, patch_elf_section(code->elf, entry->section)->data + entry->offset + EXCEPTION_LAST,
           sizeof exception->data);
    exception->data = GUINT32_FROM_LE(exception->data);
    if (!reloc)
        return TRUE;
    place = patch_elf_place(code->elf, reloc);
    if (place.kind != PATCH_PLACE_EXTERN || place.offset != 0)
        return patch_new_code_refuse(code, error,
                                     "may fault (as on user memory), and has a handler of its own for that, which "
                                     "cannot be carried");
    exception->handler = patch_old_code_extern(code->old, patch_elf_symbol(code->elf, place.index)->name);
    exception->data = 0;
    return TRUE;
}

static gboolean
add_exception(PatchNewCode *code, const PatchElfItem *item, guint32 piece, const PatchTableEntry *entry, GError **error)
{
    PatchException exception = { .piece = piece, .offset = entry->code_offset - item->offset };
    guint32 section;
    guint64 offset;
    gint32 to = -1;

    if (entry->size != EXCEPTION_BYTES)
        return patch_new_code_refuse(code, error,
                                     "may fault (as on user memory), and the table of such places has a layout "
                                     "that is not known");
    if (patch_table_field(code->elf, entry, EXCEPTION_TO, &section, &offset))
        to = patch_elf_item_at(code->elf, section, offset);
    if (to < 0 || !patch_elf_item(code->elf, to)->is_function)
        return patch_new_code_refuse(code, error,
                                     "may fault (as on user memory), and goes on then where there is no function");
    if (!read_exception_kind(code, entry, &exception, error) ||
        !patch_new_code_piece(code, to, &exception.to_piece, error))
        return FALSE;
    exception.to_offset = offset - patch_elf_item(code->elf, to)->offset;
    g_array_append_val(code->object->exceptions, exception);
    return TRUE;
}

static gboolean
add_exceptions(PatchNewCode *code, const PatchElfItem *item, guint32 piece, GError **error)
{
    GArray *entries = code->diff->new_entries;
    guint end = patch_tables_first(entries, item->section, item->offset + item->size);

    for (guint i = patch_tables_first(entries, item->section, item->offset); i < end; i++) {
        const PatchTableEntry *entry = &g_array_index(entries, PatchTableEntry, i);

        if (entry->kind == PATCH_TABLE_EXCEPTIONS && !add_exception(code, item, piece, entry, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
add_unwinds(PatchNewCode *code, const PatchElfItem *item, guint32 piece, GError **error)
{
    if (!code->unwinds)
        code->unwinds = patch_unwind_table_read(code->elf, &code->object->unwind_bytes, error);
    if (!code->unwinds)
        return FALSE;
    for (guint i = patch_unwind_table_at(code->unwinds, item->section, item->offset); i < code->unwinds->len; i++) {
        const PatchUnwindPlace *place = &g_array_index(code->unwinds, PatchUnwindPlace, i);
        guint64 offset = MAX(place->offset, item->offset) - item->offset;
        PatchUnwind unwind = { piece, offset, place->entry };

        if (place->section != item->section || offset >= item->size)
            break;
        g_array_append_val(code->object->unwinds, unwind);
    }
    return TRUE;
}

gboolean
patch_new_code_add_entries(PatchNewCode *code, const PatchElfItem *item, guint32 piece, GError **error)
{
    return add_exceptions(code, item, piece, error) && add_unwinds(code, item, piece, error);
}
