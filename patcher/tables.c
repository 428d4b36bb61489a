/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/tables.h"

#include <elf.h>

#include "patcher/error.h"

#define ENDBR_BYTES 4

static const struct {
    const char *name;
    const char *meaning;
    guint references;           /* how many fields of an entry refer to code or to replacement code */
} tables[] = {
    [PATCH_TABLE_MCOUNT] = { "__mcount_loc", "a place for the function tracer", 1 },
    [PATCH_TABLE_ALTERNATIVES] = { ".altinstructions", "code that depends on the processor", 2 },
    [PATCH_TABLE_PARAVIRT] = { ".parainstructions", "code that depends on the hypervisor", 1 },
    [PATCH_TABLE_SMP_LOCKS] = { ".smp_locks", "a lock prefix", 1 },
    [PATCH_TABLE_JUMPS] = { "__jump_table", "a static key", 2 },
    [PATCH_TABLE_STATIC_CALLS] = { ".static_call_sites", "a static call", 1 },
    [PATCH_TABLE_RETPOLINES] = { ".retpoline_sites", "an indirect call", 1 },
    [PATCH_TABLE_RETURNS] = { ".return_sites", "a return", 1 },
    [PATCH_TABLE_ENDBRS] = { ".ibt_endbr_seal", "a landing mark for indirect calls", 1 },
    [PATCH_TABLE_CALLS] = { ".call_sites", "a counted call", 1 },
    [PATCH_TABLE_BUGS] = { "__bug_table", "a WARN() or BUG()", 1 },
    [PATCH_TABLE_EXCEPTIONS] = { "__ex_table", "an access that may fault (as of user memory)", 2 },
    [PATCH_TABLE_RUNTIME_POINTERS] = { "runtime_ptr_", "a variable that is built into code at boot", 1 },
    [PATCH_TABLE_RUNTIME_SHIFTS] = { "runtime_shift_", "a variable that is built into code at boot", 1 },
};

static const char *const owned_prefixes[] = {
    ".altinstr", ".debug", ".comment", ".note", ".orc_", ".discard", ".rela", ".export_symbol", ".modinfo",
    ".printk_index", "___ksymtab", "___kcrctab", "__ksymtab", "__kcrctab", "__patchable_function_entries", ".llvm",
};

/* Of those with a variable each, the section is called by it. */
static gboolean
is_table(const char *section, PatchTableKind kind)
{
    return kind == PATCH_TABLE_RUNTIME_POINTERS || kind == PATCH_TABLE_RUNTIME_SHIFTS
               ? g_str_has_prefix(section, tables[kind].name) : g_str_equal(section, tables[kind].name);
}

const char *
patch_table_name(PatchTableKind kind)
{
    return tables[kind].name;
}

const char *
patch_table_meaning(PatchTableKind kind)
{
    return tables[kind].meaning;
}

gboolean
patch_table_is_for_own_code(PatchTableKind kind)
{
    return kind == PATCH_TABLE_JUMPS || kind == PATCH_TABLE_BUGS || kind == PATCH_TABLE_RUNTIME_POINTERS ||
           kind == PATCH_TABLE_RUNTIME_SHIFTS;
}

gboolean
patch_tables_own(const char *section)
{
    for (gsize i = 0; i < G_N_ELEMENTS(tables); i++)
        if (is_table(section, i))
            return TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(owned_prefixes); i++)
        if (g_str_has_prefix(section, owned_prefixes[i]))
            return TRUE;
    return FALSE;
}

gboolean
patch_is_boot_section(const char *section)
{
    static const char *const prefixes[] = {
        ".init.", ".exit.", ".initcall", ".exitcall", ".con_initcall", ".meminit.", ".altinstr_aux",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++)
        if (g_str_has_prefix(section, prefixes[i]))
            return TRUE;
    return FALSE;
}

gboolean
patch_is_report_section(const char *section)
{
    return g_str_has_prefix(section, ".data..Lubsan_") || g_str_has_prefix(section, ".data..L__unnamed_");
}

/* The place a relocation in data refers to, if that is in the object. */
static gboolean
target_of(const PatchElf *elf, const PatchReloc *reloc, guint32 *section, guint64 *offset)
{
    const PatchElfSymbol *symbol = patch_elf_symbol(elf, reloc->symbol);

    if (symbol->section < 0)
        return FALSE;
    *section = symbol->section;
    *offset = symbol->value + reloc->addend;
    return TRUE;
}

static gboolean
refers_to_code(const PatchElf *elf, const PatchReloc *reloc)
{
    guint32 section;
    guint64 offset;

    return target_of(elf, reloc, &section, &offset) && patch_elf_is_code(patch_elf_section(elf, section));
}

static gboolean
unknown_layout(GError **error, const char *name)
{
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "the section %s has a layout that is not known", name);
    return FALSE;
}

/* The size of an entry, of which each has so many REFERENCES to code, from how far apart the first two entries' are; 0 if the
 * layout is not known. *N becomes how many there are. The last may lack what pads the others. */
static guint64
entry_size(const PatchElf *elf, const PatchElfSection *section, guint references, guint *n)
{
    guint found = 0;
    guint64 size = section->size;

    for (guint i = 0; i < section->relocs->len; i++) {
        const PatchReloc *reloc = &g_array_index(section->relocs, PatchReloc, i);

        if (!refers_to_code(elf, reloc))
            continue;
        if (found++ == references)
            size = reloc->offset;
    }
    *n = found / references;
    if (!*n || found % references || !size || size > section->size || (section->size + size - 1) / size != *n)
        return 0;
    return size;
}

static gboolean
read_table(const PatchElf *elf, guint32 index, PatchTableKind kind, GArray *entries, GError **error)
{
    const PatchElfSection *section = patch_elf_section(elf, index);
    guint n;
    guint64 size;

    if (section->size == 0)
        return TRUE;
    size = entry_size(elf, section, tables[kind].references, &n);
    if (!size || !section->data)
        return unknown_layout(error, section->name);
    for (guint i = 0; i < n; i++) {
        PatchTableEntry entry = { kind, index, i * size, MIN(size, section->size - i * size), 0, 0 };

        if (!patch_table_field(elf, &entry, 0, &entry.code_section, &entry.code_offset))
            return unknown_layout(error, section->name);
        g_array_append_val(entries, entry);
    }
    return TRUE;
}

static int
compare_entries(gconstpointer a, gconstpointer b)
{
    const PatchTableEntry *first = a, *second = b;

    if (first->code_section != second->code_section)
        return first->code_section < second->code_section ? -1 : 1;
    if (first->code_offset != second->code_offset)
        return first->code_offset < second->code_offset ? -1 : 1;
    if (first->kind != second->kind)
        return first->kind < second->kind ? -1 : 1;
    if (first->section != second->section)
        return first->section < second->section ? -1 : 1;
    return first->offset < second->offset ? -1 : first->offset > second->offset;
}

GArray *
patch_tables_read(const PatchElf *elf, GError **error)
{
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(PatchTableEntry));

    for (guint kind = 0; kind < G_N_ELEMENTS(tables); kind++)
        for (guint32 i = 1; i < elf->sections->len; i++)
            if (is_table(patch_elf_section(elf, i)->name, kind) && !read_table(elf, i, kind, entries, error))
                return NULL;
    g_array_sort(entries, compare_entries);
    return g_steal_pointer(&entries);
}

guint
patch_tables_first(GArray *entries, guint32 section, guint64 offset)
{
    guint low = 0, high = entries->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        const PatchTableEntry *entry = &g_array_index(entries, PatchTableEntry, middle);

        if (entry->code_section < section || (entry->code_section == section && entry->code_offset < offset))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const PatchTableEntry *
patch_tables_tracer(GArray *entries, guint32 section, guint64 offset, guint64 size)
{
    guint end = patch_tables_first(entries, section, offset + size);

    for (guint i = patch_tables_first(entries, section, offset); i < end; i++) {
        const PatchTableEntry *entry = &g_array_index(entries, PatchTableEntry, i);

        if (entry->kind == PATCH_TABLE_MCOUNT && entry->code_offset - offset <= ENDBR_BYTES)
            return entry;
    }
    return NULL;
}

const PatchReloc *
patch_table_reloc(const PatchElf *elf, const PatchTableEntry *entry, guint32 field)
{
    const PatchElfSection *section = patch_elf_section(elf, entry->section);
    guint index = patch_elf_first_reloc(section, (guint64) entry->offset + field);
    const PatchReloc *reloc;

    if (index >= section->relocs->len)
        return NULL;
    reloc = &g_array_index(section->relocs, PatchReloc, index);
    return reloc->offset == (guint64) entry->offset + field ? reloc : NULL;
}

gboolean
patch_table_field(const PatchElf *elf, const PatchTableEntry *entry, guint32 field, guint32 *section, guint64 *offset)
{
    const PatchReloc *reloc = patch_table_reloc(elf, entry, field);

    return reloc && target_of(elf, reloc, section, offset);
}

/*
 * struct alt_instr begins with the two offsets; what follows has grown:
 *   12 bytes  u16 feature; u8 length; u8 choice length                 (since 5.13)
 *   13 bytes  the same, u8 padding length                              (before)
 *   14 bytes  u32 feature with flags; u8 length; u8 choice length      (since 6.3)
 */
gboolean
patch_table_alternative(const PatchElf *elf, const PatchTableEntry *entry, PatchAlternative *alternative,
                        GError **error)
{
    const guint8 *bytes = patch_elf_section(elf, entry->section)->data + entry->offset;
    guint lengths = entry->size == 14 ? 12 : 10;
    const PatchElfSection *section;
    guint64 offset;

    if (entry->size < 12 || entry->size > 14 ||
        !patch_table_field(elf, entry, 4, &alternative->section, &offset))
        return unknown_layout(error, ".altinstructions");
    alternative->feature = bytes[8] | bytes[9] << 8;
    if (entry->size == 14)
        alternative->feature |= bytes[10] << 16 | (guint32) bytes[11] << 24;
    alternative->length = bytes[lengths];
    alternative->choice_length = bytes[lengths + 1];
    alternative->offset = offset;
    section = patch_elf_section(elf, alternative->section);
    if (!section->data || offset > section->size || alternative->choice_length > section->size - offset ||
        alternative->choice_length > alternative->length)
        return unknown_layout(error, ".altinstructions");
    return TRUE;
}
