/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/object-items.h"

#include <elf.h>

#include "patcher/decode.h"
#include "patcher/error.h"

/* What every module calls its first and last function, beside their own names; and the tables of devices that depmod reads
 * (MODULE_DEVICE_TABLE(): __mod_pci__IDS_device_table, from 6.14 on __mod_device_table__MODULE__pci__IDS). */
static gboolean
is_module_alias(const PatchElfSymbol *symbol)
{
    return g_str_equal(symbol->name, "init_module") || g_str_equal(symbol->name, "cleanup_module") ||
           (g_str_has_prefix(symbol->name, "__mod_") && strstr(symbol->name, "_device_table"));
}

/* Symbols by place; of several at one place the one that is to name the item comes first. */
static int
compare_symbols(gconstpointer a, gconstpointer b)
{
    const PatchElfSymbol *first = *(PatchElfSymbol *const *) a, *second = *(PatchElfSymbol *const *) b;

    if (first->section != second->section)
        return first->section < second->section ? -1 : 1;
    if (first->value != second->value)
        return first->value < second->value ? -1 : 1;
    if (first->size != second->size)
        return first->size > second->size ? -1 : 1;
    if (is_module_alias(first) != is_module_alias(second))
        return is_module_alias(first) ? 1 : -1;
    if (first->is_global != second->is_global)
        return first->is_global ? -1 : 1;
    return strcmp(first->name, second->name);
}

static void
add_item(PatchElf *elf, guint32 section_index, guint64 offset, guint64 size, const PatchElfSymbol *symbol,
         gint32 symbol_index)
{
    PatchElfSection *section = elf->sections->pdata[section_index];
    PatchElfItem *item = g_new0(PatchElfItem, 1);
    guint32 number = elf->items->len;

    if (symbol)
        item->name = g_strdup(symbol->name);
    else if (offset)
        item->name = g_strdup_printf("%s+%#" G_GINT64_MODIFIER "x", section->name, offset);
    else
        item->name = g_strdup(section->name);
    item->section = section_index;
    item->offset = offset;
    item->size = size;
    item->symbol = symbol_index;
    item->is_function = symbol && symbol->is_function;
    g_ptr_array_add(elf->items, item);
    g_array_append_val(section->items, number);
}

/* The items of one section: its SYMBOLS in order, and what lies between them. */
static void
add_section_items(PatchElf *elf, guint32 section, GPtrArray *symbols, GHashTable *indices)
{
    guint64 end = 0, size = patch_elf_section(elf, section)->size;

    for (guint i = 0; i < symbols->len; i++) {
        const PatchElfSymbol *symbol = symbols->pdata[i];
        gint32 index = GPOINTER_TO_INT(g_hash_table_lookup(indices, symbol));

        if (symbol->section != (gint32) section)
            continue;
        if (symbol->value < end)
            continue;
        if (symbol->value > end)
            add_item(elf, section, end, symbol->value - end, NULL, -1);
        add_item(elf, section, symbol->value, symbol->size, symbol, index);
        end = symbol->value + symbol->size;
    }
    if (end < size)
        add_item(elf, section, end, size - end, NULL, -1);
}

/* A variable without size (a lock_class_key where locks are not checked) in a section of its own. */
static void
add_empty_item(PatchElf *elf, guint32 section)
{
    for (guint32 i = 0; i < elf->symbols->len; i++) {
        const PatchElfSymbol *symbol = patch_elf_symbol(elf, i);

        if (symbol->section == (gint32) section && !symbol->is_section) {
            add_item(elf, section, 0, 0, symbol, i);
            return;
        }
    }
}

static void
index_names(PatchElf *elf)
{
    for (guint i = 0; i < elf->items->len; i++) {
        PatchElfItem *item = elf->items->pdata[i];
        gboolean is_new = !g_hash_table_contains(elf->by_name, item->name);

        g_hash_table_insert(elf->by_name, item->name, GUINT_TO_POINTER(is_new ? i + 1 : G_MAXUINT));
    }
}

static void
add_items(PatchElf *elf)
{
    g_autoptr(GPtrArray) symbols = g_ptr_array_new();
    g_autoptr(GHashTable) indices = g_hash_table_new(NULL, NULL);

    for (guint i = 0; i < elf->symbols->len; i++) {
        PatchElfSymbol *symbol = elf->symbols->pdata[i];

        if (symbol->section < 0 || symbol->is_section || !symbol->size)
            continue;
        g_ptr_array_add(symbols, symbol);
        g_hash_table_insert(indices, symbol, GUINT_TO_POINTER(i));
    }
    g_ptr_array_sort(symbols, compare_symbols);
    for (guint32 i = 1; i < elf->sections->len; i++) {
        const PatchElfSection *section = patch_elf_section(elf, i);

        if (!(section->flags & SHF_ALLOC) || patch_elf_is_mergeable(section))
            continue;
        if (section->size)
            add_section_items(elf, i, symbols, indices);
        else
            add_empty_item(elf, i);
    }
    index_names(elf);
}

static guint32
section_symbol(PatchElf *elf, guint32 section)
{
    PatchElfSymbol *symbol;

    for (guint32 i = 0; i < elf->symbols->len; i++) {
        symbol = elf->symbols->pdata[i];
        if (symbol->is_section && symbol->section == (gint32) section)
            return i;
    }
    symbol = g_new0(PatchElfSymbol, 1);
    symbol->name = g_strdup(patch_elf_section(elf, section)->name);
    symbol->section = section;
    symbol->is_section = TRUE;
    g_ptr_array_add(elf->symbols, symbol);
    return elf->symbols->len - 1;
}

/* A branch out of its function that the assembler resolved, both being in one section, becomes a relocation again. */
static void
restore_branch(PatchElf *elf, PatchElfItem *item, const cs_insn *insn, GArray *added)
{
    const cs_x86 *x86 = &insn->detail->x86;
    gint64 target = x86->op_count == 1 && x86->operands[0].type == X86_OP_IMM ? x86->operands[0].imm : -1;
    PatchReloc reloc = { 0 };

    if (target < 0 || ((guint64) target >= item->offset && (guint64) target < item->offset + item->size))
        return;
    if (insn->size < 5) {
        item->is_opaque = TRUE;
        return;
    }
    reloc.offset = insn->address + insn->size - 4;
    reloc.type = R_X86_64_PC32;
    reloc.symbol = section_symbol(elf, item->section);
    reloc.addend = target - 4;
    reloc.tail = 4;
    reloc.is_branch = TRUE;
    g_array_append_val(added, reloc);
}

/* The relocations from number NEXT on that lie in the instruction; returns the first behind it. */
static guint
set_tails(PatchElfSection *section, guint next, const cs_insn *insn, gboolean is_branch)
{
    const cs_x86 *x86 = &insn->detail->x86;
    guint64 end = insn->address + insn->size;

    for (; next < section->relocs->len; next++) {
        PatchReloc *reloc = &g_array_index(section->relocs, PatchReloc, next);

        if (reloc->offset >= end)
            break;
        reloc->is_branch = is_branch && x86->op_count == 1 && x86->operands[0].type == X86_OP_IMM;
        if (patch_reloc_is_pc_relative(reloc->type))
            reloc->tail = end - reloc->offset;
    }
    return next;
}

/* Gives the relocations of ITEM their tails. INSN is memory for the decoder. */
static void
decode_item(PatchElf *elf, PatchElfItem *item, csh decoder, cs_insn *insn, GArray *added)
{
    PatchElfSection *section = elf->sections->pdata[item->section];
    const guint8 *code = section->data + item->offset;
    gsize left = item->size;
    guint64 address = item->offset;
    guint next = patch_elf_first_reloc(section, item->offset);

    item->is_padding = item->symbol < 0;
    while (left) {
        gboolean is_branch;
        guint first = next;

        if (!patch_decode_next(decoder, &code, &left, &address, insn)) {
            item->is_opaque = TRUE;
            item->is_padding = FALSE;
            code++;
            left--;
            address++;
            continue;
        }
        item->is_padding = item->is_padding && (insn->id == X86_INS_NOP || insn->id == X86_INS_INT3);
        is_branch = cs_insn_group(decoder, insn, CS_GRP_CALL) || cs_insn_group(decoder, insn, CS_GRP_JUMP);
        next = set_tails(section, first, insn, is_branch);
        if (is_branch && item->is_function && next == first)
            restore_branch(elf, item, insn, added);
    }
}

static int
compare_relocs(gconstpointer a, gconstpointer b)
{
    guint64 first = ((const PatchReloc *) a)->offset, second = ((const PatchReloc *) b)->offset;

    return first < second ? -1 : first > second;
}

static void
decode_section(PatchElf *elf, guint32 index, csh decoder, cs_insn *insn)
{
    PatchElfSection *section = elf->sections->pdata[index];
    g_autoptr(GArray) added = g_array_new(FALSE, FALSE, sizeof(PatchReloc));

    for (guint i = 0; i < section->items->len; i++)
        decode_item(elf, elf->items->pdata[g_array_index(section->items, guint32, i)], decoder, insn, added);
    if (added->len) {
        g_array_append_vals(section->relocs, added->data, added->len);
        g_array_sort(section->relocs, compare_relocs);
    }
}

gboolean
patch_elf_add_items(PatchElf *elf, GError **error)
{
    cs_insn *insn;
    csh decoder;

    add_items(elf);
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &decoder) != CS_ERR_OK) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "the instruction decoder cannot be started");
        return FALSE;
    }
    cs_option(decoder, CS_OPT_DETAIL, CS_OPT_ON);
    insn = cs_malloc(decoder);
    for (guint32 i = 1; i < elf->sections->len; i++)
        if (patch_elf_is_code(patch_elf_section(elf, i)))
            decode_section(elf, i, decoder, insn);
    cs_free(insn, 1);
    cs_close(&decoder);
    return TRUE;
}

gint32
patch_elf_item_at(const PatchElf *elf, guint32 section_index, guint64 offset)
{
    const PatchElfSection *section = patch_elf_section(elf, section_index);
    guint low = 0, high = section->items->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        guint32 number = g_array_index(section->items, guint32, middle);

        if (patch_elf_item(elf, number)->offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? (gint32) g_array_index(section->items, guint32, low - 1) : -1;
}

/* OFFSET is counted from the start of the section, and may lie outside of it. */
static PatchPlace
place_in_section(const PatchElf *elf, guint32 index, gint64 offset)
{
    const PatchElfSection *section = patch_elf_section(elf, index);
    PatchPlace place = { PATCH_PLACE_LITERAL, index, offset };
    gint32 item;

    if (patch_elf_is_mergeable(section)) {
        if (offset < 0 || (guint64) offset >= section->size)
            place.kind = PATCH_PLACE_ABSOLUTE;
        return place;
    }
    item = patch_elf_item_at(elf, index, MAX(offset, 0));
    if (item < 0)
        return (PatchPlace) { PATCH_PLACE_ABSOLUTE, index, offset };
    return (PatchPlace) { PATCH_PLACE_ITEM, item, offset - (gint64) patch_elf_item(elf, item)->offset };
}

/* ADDEND bytes from the literal at BASE; behind its end there is another one, and only after linking is it known which. */
static PatchPlace
place_in_literal(const PatchElf *elf, const PatchPlace *base, gint64 addend)
{
    gsize length;

    patch_elf_literal(elf, base, &length);
    return (PatchPlace) {
        addend >= 0 && (guint64) addend < length ? PATCH_PLACE_LITERAL : PATCH_PLACE_ABSOLUTE, base->index,
        base->offset + addend,
    };
}

PatchPlace
patch_elf_place(const PatchElf *elf, const PatchReloc *reloc)
{
    const PatchElfSymbol *symbol = patch_elf_symbol(elf, reloc->symbol);
    gint64 addend = reloc->addend + reloc->tail;
    PatchPlace place;
    gint64 within;

    if (symbol->section == -1)
        return (PatchPlace) { PATCH_PLACE_EXTERN, reloc->symbol, addend };
    if (symbol->section == -2)
        return (PatchPlace) { PATCH_PLACE_ABSOLUTE, 0, (gint64) (symbol->value + (guint64) addend) };
    if (symbol->is_section)
        return place_in_section(elf, symbol->section, (gint64) symbol->value + addend);
    /* A named symbol says which item is meant, whatever the addend. */
    place = place_in_section(elf, symbol->section, symbol->value);
    if (place.kind == PATCH_PLACE_LITERAL)
        return place_in_literal(elf, &place, addend);
    within = place.offset + addend;
    return (PatchPlace) { place.kind, place.index, within };
}
