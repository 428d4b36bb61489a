/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/new-code-private.h"

#include <elf.h>

#include "patcher/error.h"
#include "patcher/initial.h"
#include "patcher/sites.h"
#include "patcher/update-format.h"

PatchNewCode *
patch_new_code_new(PatchObject *object, PatchDiff *diff, PatchOldCode *old, GHashTable *replaced, GPtrArray *notes)
{
    PatchNewCode *code = g_new0(PatchNewCode, 1);

    *code = (PatchNewCode) {
        .object = object, .diff = diff, .elf = diff->pairing->new_elf, .old = old, .replaced = replaced,
        .pieces = g_hash_table_new(NULL, NULL),
        .literals = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify) g_bytes_unref, NULL),
        .queue = g_array_new(FALSE, FALSE, sizeof(guint32)),
        .notes = notes,
    };
    return code;
}

void
patch_new_code_free(PatchNewCode *code)
{
    if (!code)
        return;
    g_hash_table_unref(code->pieces);
    g_hash_table_unref(code->literals);
    g_clear_pointer(&code->unwinds, g_array_unref);
    g_array_unref(code->queue);
    g_free(code);
}

void
patch_new_code_as_built(PatchNewCode *code)
{
    code->as_built = TRUE;
}

gboolean
patch_new_code_refuse(const PatchNewCode *code, GError **error, const char *format, ...)
{
    va_list arguments;
    g_autofree char *text = NULL;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, "the new code of %s %s", code->current->name, text);
    return FALSE;
}

/* What kind of piece data of a section make; FALSE if the section means more than its bytes. */
static gboolean
data_kind(const PatchElfSection *section, PatchPieceKind *kind)
{
    static const char *const data_sections[] = {
        ".data", ".data.once", ".data..once", ".data..read_mostly", ".data..ro_after_init", ".data..cacheline_aligned",
        ".data.unlikely", "__dyndbg", "__tracepoints",
    };
    gboolean is_plain = patch_is_report_section(section->name) ||
                        (g_str_has_prefix(section->name, ".data.") && !g_str_has_prefix(section->name, ".data.."));

    if (!(section->flags & SHF_WRITE)) {
        *kind = PATCH_PIECE_RODATA;
        return g_str_has_prefix(section->name, ".rodata") || g_str_equal(section->name, "__tracepoints_strings");
    }
    *kind = section->data ? PATCH_PIECE_DATA : PATCH_PIECE_BSS;
    if (g_str_equal(section->name, ".bss") || g_str_has_prefix(section->name, ".bss."))
        return !g_str_has_prefix(section->name, ".bss..");
    for (gsize i = 0; i < G_N_ELEMENTS(data_sections); i++)
        is_plain = is_plain || g_str_equal(section->name, data_sections[i]);
    return is_plain;
}

/* The kernel's list of them is made at boot, and when a module is loaded. */
static void
note_unlisted(PatchNewCode *code, const PatchElfSection *section)
{
    if (!code->notes || !g_str_equal(section->name, "__dyndbg") || code->noted == code->current)
        return;
    code->noted = code->current;
    g_ptr_array_add(code->notes, g_strdup_printf("%s gets a pr_debug() or the like that it did not have; the guest's "
                                                 "dynamic_debug/control does not list it, and it stays off",
                                                 code->current->name));
}

gboolean
patch_new_code_piece(PatchNewCode *code, guint32 number, guint32 *index, GError **error)
{
    const PatchElfItem *item = patch_elf_item(code->elf, number);
    const PatchElfSection *section = patch_elf_section(code->elf, item->section);
    guint32 known = GPOINTER_TO_UINT(g_hash_table_lookup(code->pieces, GUINT_TO_POINTER(number)));
    PatchPieceKind kind = PATCH_PIECE_TEXT;
    guint64 alignment = section->alignment;
    PatchPiece *piece;

    if (known) {
        *index = known - 1;
        return TRUE;
    }
    if (!item->is_function && !data_kind(section, &kind))
        return patch_new_code_refuse(code, error,
                                     "refers to %s, which is new in the section %s; an update cannot add to it",
                                     item->name, section->name);
    note_unlisted(code, section);
    if (item->is_function)
        alignment = MAX(alignment, 16);
    if (!item->size)
        kind = PATCH_PIECE_RODATA;
    piece = patch_object_add_piece(code->object, item->name, kind, alignment, MAX(item->size, 1));
    /* Only the address of a variable without size is ever used (lock classes, where nobody checks those): there is no state. */
    if (!item->size)
        g_byte_array_append(piece->code->bytes, (const guint8 *) "", 1);
    *index = code->object->pieces->len - 1;
    g_hash_table_insert(code->pieces, GUINT_TO_POINTER(number), GUINT_TO_POINTER(*index + 1));
    g_array_append_val(code->queue, number);
    return TRUE;
}

static guint32
literal_piece(PatchNewCode *code, const PatchPlace *place)
{
    gsize length;
    const PatchElfSection *section = patch_elf_section(code->elf, place->index);
    const guint8 *bytes = patch_elf_literal(code->elf, place, &length);
    g_autoptr(GBytes) literal = g_bytes_new(bytes, length);
    guint32 known = GPOINTER_TO_UINT(g_hash_table_lookup(code->literals, literal));
    gboolean is_string = section->flags & SHF_STRINGS;
    PatchPiece *piece;

    if (known) {
        piece = code->object->pieces->pdata[known - 1];
        piece->alignment = MAX(piece->alignment, section->alignment);
        return known - 1;
    }
    piece = patch_object_add_piece(code->object, is_string ? "a string" : "a constant", PATCH_PIECE_RODATA,
                                   section->alignment, length);
    g_byte_array_append(piece->code->bytes, bytes, length);
    g_hash_table_insert(code->literals, g_steal_pointer(&literal), GUINT_TO_POINTER(code->object->pieces->len));
    return code->object->pieces->len - 1;
}

/* Whether the reference is to the new code of the function or to the old, which jumps there: a pointer that is kept
 * must stay valid when the update is undone. */
static gboolean
wants_new_function(PatchNewCode *code, guint32 number, const PatchReloc *reloc, gint64 offset)
{
    const PatchElfItem *target = patch_elf_item(code->elf, number);

    if (strstr(target->name, ".cold"))
        return TRUE;
    /* Two clones of one name need not be specialised for the same arguments. */
    if (strchr(target->name, '.') && !patch_diff_is_same(code->diff, number))
        return TRUE;
    /* From a table of jumps, too. */
    if (offset != 0 && (target == code->current || g_hash_table_contains(code->replaced, target->name)))
        return TRUE;
    return reloc->is_branch && g_hash_table_contains(code->replaced, target->name);
}

static gboolean
old_symbol(PatchNewCode *code, guint32 number, guint32 *symbol, GError **error)
{
    gint32 pair = code->diff->pairing->old_of_new[number];
    const char *name = patch_elf_item(code->diff->pairing->old_elf, pair)->name;

    if (patch_old_code_find_symbol(code->old, name, symbol))
        return TRUE;
    return patch_new_code_refuse(code, error,
                                 "refers to %s, of which the running kernel's object has none, or several", name);
}

/* Whether ITEM has addresses inside of functions that are replaced, as a switch's table of jumps has. */
static gboolean
leads_into_replaced(const PatchNewCode *code, const PatchElfItem *item)
{
    const PatchElfSection *section = patch_elf_section(code->elf, item->section);

    for (guint i = patch_elf_first_reloc(section, item->offset); i < section->relocs->len; i++) {
        const PatchReloc *reloc = &g_array_index(section->relocs, PatchReloc, i);
        PatchPlace place = patch_elf_place(code->elf, reloc);
        const PatchElfItem *target = place.kind == PATCH_PLACE_ITEM ? patch_elf_item(code->elf, place.index) : NULL;

        if (reloc->offset >= item->offset + item->size)
            break;
        if (target && target->is_function && place.offset != 0 && g_hash_table_contains(code->replaced, target->name))
            return TRUE;
    }
    return FALSE;
}

static gboolean
resolve_paired(PatchNewCode *code, guint32 number, const PatchReloc *reloc, const PatchPlace *place, PatchFixup *fixup,
               GError **error)
{
    const PatchElfItem *item = patch_elf_item(code->elf, number);
    const PatchElfSection *section = patch_elf_section(code->elf, item->section);
    gboolean is_new = FALSE;

    if (item->is_function)
        is_new = wants_new_function(code, number, reloc, place->offset);
    else if (!(section->flags & SHF_WRITE))
        is_new = leads_into_replaced(code, item) ||
                 (!patch_diff_is_same(code->diff, number) && !patch_initial_find(code->diff, number));
    if (!is_new)
        return old_symbol(code, number, &fixup->index, error);
    fixup->target = PATCH_TARGET_PIECE;
    return patch_new_code_piece(code, number, &fixup->index, error);
}

static gboolean
resolve_item(PatchNewCode *code, const PatchReloc *reloc, const PatchPlace *place, PatchFixup *fixup, GError **error)
{
    const PatchElfItem *item = patch_elf_item(code->elf, place->index);
    const PatchElfSection *section = patch_elf_section(code->elf, item->section);
    const PatchElfSymbol *symbol = patch_elf_symbol(code->elf, reloc->symbol);

    fixup->addend = reloc->addend + (gint64) symbol->value - (gint64) item->offset;
    if (patch_is_boot_section(section->name))
        return patch_new_code_refuse(code, error,
                                     "refers to %s in %s, which is gone once the kernel has booted", item->name,
                                     section->name);
    if (item->size && code->diff->pairing->old_of_new[place->index] >= 0)
        return resolve_paired(code, place->index, reloc, place, fixup, error);
    if (item->size && section->flags & SHF_WRITE && !patch_is_report_section(section->name) &&
        (item->symbol < 0 || patch_pairing_is_ambiguous(code->diff->pairing, item->name)))
        return patch_new_code_refuse(code, error,
                                     "refers to %s in %s, and it cannot be told which of the running kernel's it is",
                                     item->name, section->name);
    fixup->target = PATCH_TARGET_PIECE;
    return patch_new_code_piece(code, place->index, &fixup->index, error);
}

static gboolean
make_fixup(gpointer data, const PatchReloc *reloc, guint32 offset, GArray *fixups, GError **error)
{
    PatchNewCode *code = data;
    PatchPlace place = patch_elf_place(code->elf, reloc);
    PatchFixup fixup = { offset, reloc->type, reloc->addend, PATCH_TARGET_SYMBOL, 0 };

    switch (place.kind) {
    case PATCH_PLACE_EXTERN:
        fixup.index = patch_old_code_extern(code->old, patch_elf_symbol(code->elf, place.index)->name);
        break;
    case PATCH_PLACE_LITERAL:
        fixup.target = PATCH_TARGET_PIECE;
        fixup.index = literal_piece(code, &place);
        fixup.addend = -(gint64) reloc->tail;
        break;
    case PATCH_PLACE_ITEM:
        if (!resolve_item(code, reloc, &place, &fixup, error))
            return FALSE;
        break;
    case PATCH_PLACE_ABSOLUTE:
    default:
        return patch_new_code_refuse(code, error,
                                     "refers to an absolute address, or to behind the end of a string or constant");
    }
    g_array_append_val(fixups, fixup);
    return TRUE;
}

/* The jump that static_cpu_has() begins as leads to .altinstr_aux, for before the alternatives are applied; one of its
 * alternatives always is. So that code does not come along: what would jump there traps. */
static gboolean
drop_boot_jump(const PatchNewCode *code, const PatchElfItem *item, const PatchReloc *reloc, PatchCode *into)
{
    static const guint8 trap[] = { 0x0f, 0x0b, 0x0f, 0x1f, 0x00 };
    const PatchElfSymbol *symbol = patch_elf_symbol(code->elf, reloc->symbol);
    guint64 offset = reloc->offset - item->offset;

    if (symbol->section < 0 || !g_str_has_prefix(patch_elf_section(code->elf, symbol->section)->name, ".altinstr_aux"))
        return FALSE;
    if (offset >= 1 && offset + 4 <= into->bytes->len)
        memcpy(into->bytes->data + offset - 1, trap, sizeof trap);
    return TRUE;
}

/* New code is not traced: the call becomes the nop that it is in a running kernel. Where it was goes to *OFFSET; FALSE if
 * there is none. */
static gboolean
silence_tracer(PatchCode *into, guint64 *offset)
{
    static const guint8 nop[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };

    for (guint i = 0; i < into->sites->len; i++) {
        const PatchSite *site = into->sites->pdata[i];

        if (site->kind == PATCH_SITE_FTRACE) {
            *offset = site->offset;
            memcpy(into->bytes->data + *offset, nop, sizeof nop);
            g_ptr_array_remove_index(into->sites, i);
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean
fill_piece(PatchNewCode *code, const PatchElfItem *item, guint32 index, GError **error)
{
    PatchCode *into = ((PatchPiece *) code->object->pieces->pdata[index])->code;
    const PatchElfSection *section = patch_elf_section(code->elf, item->section);
    guint end = patch_elf_first_reloc(section, item->offset + item->size);
    PatchSiteSource source = {
        .elf = code->elf, .entries = code->diff->new_entries, .section = item->section, .start = item->offset,
        .size = item->size, .make_fixup = make_fixup, .data = code,
    };
    guint64 tracer;
    gboolean is_traced;

    if (item->is_function && item->is_opaque)
        return patch_new_code_refuse(code, error,
                                     "holds instructions that cannot be decoded, or jumps into another function");
    if (section->data)
        g_byte_array_append(into->bytes, section->data + item->offset, item->size);
    if (item->is_function && (!patch_new_code_check_tables(code, item, error) || !patch_sites_add(&source, into, error) ||
                              !patch_new_code_add_entries(code, item, index, error)))
        return FALSE;
    is_traced = silence_tracer(into, &tracer);
    for (guint i = patch_elf_first_reloc(section, item->offset); i < end; i++) {
        const PatchReloc *reloc = &g_array_index(section->relocs, PatchReloc, i);

        if ((is_traced && reloc->offset - item->offset == tracer + 1) || drop_boot_jump(code, item, reloc, into))
            continue;
        if (!make_fixup(code, reloc, reloc->offset - item->offset, into->fixups, error))
            return FALSE;
    }
    patch_sites_sort_fixups(into);
    return TRUE;
}

/* Fills the pieces that are there but empty, which may bring more of them. */
static gboolean
fill_pieces(PatchNewCode *code, GError **error)
{
    while (code->queue->len) {
        guint32 next = g_array_index(code->queue, guint32, 0);
        guint32 number = GPOINTER_TO_UINT(g_hash_table_lookup(code->pieces, GUINT_TO_POINTER(next))) - 1;

        g_array_remove_index(code->queue, 0);
        code->current = patch_elf_item(code->elf, next);
        if (!fill_piece(code, code->current, number, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
patch_new_code_add(PatchNewCode *code, guint32 item, guint32 *index, GError **error)
{
    code->current = patch_elf_item(code->elf, item);
    return patch_new_code_piece(code, item, index, error) && fill_pieces(code, error);
}

gboolean
patch_new_code_value(PatchNewCode *code, guint32 number, guint64 offset, guint64 length, PatchCode *value,
                     GError **error)
{
    const PatchElfItem *item = patch_elf_item(code->elf, number);
    PatchSiteSource source = {
        .elf = code->elf, .section = item->section, .start = item->offset + offset, .size = length,
        .make_fixup = make_fixup, .data = code,
    };

    code->current = item;
    return patch_sites_copy(&source, value, error) && fill_pieces(code, error);
}
