/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/module-symbols.h"

#include <elf.h>
#include <string.h>

#include "introspect/cursor.h"

#define PAGE_BYTES 4096
/* A name may be this long, and then lie beyond the page in which it begins. */
#define MAX_NAME_BYTES 512
#define MAX_SYMBOLS (1U << 20)
#define MAX_EXPORTS (1U << 16)
#define MAX_STRINGS_BYTES (8U << 20)

typedef struct {
    const IntroSpace *space;
    const IntroBtf *btf;
    const IntroLoadedModule *loaded;
    gsize *budget;
} Source;

/* Bytes copied out of the guest. */
typedef struct {
    GuestVa va;
    gsize length;
    guint8 *bytes;          /* with a NUL behind them */
} Block;

static void
block_clear(Block *block)
{
    g_free(block->bytes);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Block, block_clear)

static gboolean
read_block(const Source *source, GuestVa va, guint64 length, Block *block, GError **error)
{
    if (length > *source->budget) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "module %s claims more symbols than there can be",
                    source->loaded->module.name);
        return FALSE;
    }
    *source->budget -= length;
    block->va = va;
    block->length = length;
    block->bytes = g_try_malloc(length + 1);
    if (block->bytes == NULL) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the symbols of module %s do not fit into memory",
                    source->loaded->module.name);
        return FALSE;
    }
    block->bytes[length] = '\0';
    return intro_space_read(source->space, va, block->bytes, length, error);
}

/* The strings from FIRST to the one that begins at LAST. How long that one is, is not known: to the end of its page at
 * least, and on the next one if there is one. Bytes that are no letters of names become '?'. */
static gboolean
read_strings(const Source *source, GuestVa first, GuestVa last, Block *block, GError **error)
{
    GuestVa page_end = (last | (PAGE_BYTES - 1)) + 1;

    if (last < first || page_end < last || page_end - first > MAX_STRINGS_BYTES) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the names of module %s's symbols are not together",
                    source->loaded->module.name);
        return FALSE;
    }
    if (page_end - last >= MAX_NAME_BYTES
        || !read_block(source, first, page_end + MAX_NAME_BYTES - first, block, NULL)) {
        g_clear_pointer(&block->bytes, g_free);
        if (!read_block(source, first, page_end - first, block, error))
            return FALSE;
    }
    for (gsize i = 0; i < block->length; i++)
        if (block->bytes[i] != '\0' && !g_ascii_isgraph(block->bytes[i]))
            block->bytes[i] = '?';
    return TRUE;
}

static gboolean
block_u32(const Block *block, gsize position, guint32 *value)
{
    IntroCursor cursor = intro_cursor(block->bytes, block->length);

    return intro_cursor_seek(&cursor, position) && intro_cursor_u32(&cursor, value);
}

static gboolean
block_u64(const Block *block, gsize position, guint64 *value)
{
    IntroCursor cursor = intro_cursor(block->bytes, block->length);

    return intro_cursor_seek(&cursor, position) && intro_cursor_u64(&cursor, value);
}

/* ---- Exported symbols: shown with capital letters ---- */

typedef struct {
    gsize bytes;                /* of a struct kernel_symbol */
    gboolean is_relative;       /* 32-bit, from the field itself; else pointers */
    gsize value, name;
} ExportLayout;

static gboolean
find_export_layout(const IntroBtf *btf, ExportLayout *layout, GError **error)
{
    layout->is_relative = intro_btf_has_member(btf, "kernel_symbol", "value_offset");
    return intro_btf_size(btf, "kernel_symbol", &layout->bytes, error)
           && intro_btf_offset(btf, "kernel_symbol", layout->is_relative ? "value_offset" : "value", &layout->value,
                               error)
           && intro_btf_offset(btf, "kernel_symbol", layout->is_relative ? "name_offset" : "name", &layout->name,
                               error);
}

static gboolean
read_export_field(const ExportLayout *layout, const Block *table, gsize position, guint64 *value)
{
    guint32 offset;

    if (!layout->is_relative)
        return block_u64(table, position, value);
    if (!block_u32(table, position, &offset))
        return FALSE;
    *value = table->va + position + (guint64) (gint64) (gint32) offset;
    return TRUE;
}

/* The lowest and the highest address of a name. */
static void
find_names_range(const ExportLayout *layout, const Block *table, GuestVa *first, GuestVa *last)
{
    GuestVa name;

    *first = G_MAXUINT64;
    *last = 0;
    for (gsize at = 0; read_export_field(layout, table, at + layout->name, &name); at += layout->bytes) {
        *first = MIN(*first, name);
        *last = MAX(*last, name);
    }
}

/* Fills EXPORTS: name to address. Both point into TABLE's ADDRESSES and NAMES. */
static gboolean
read_exports(const Source *source, GHashTable *exports, GArray *addresses, Block *names, GError **error)
{
    GuestVa module = source->loaded->module.module, table_va, first, last, name;
    gsize syms, num_syms;
    g_auto(Block) table = { 0 };
    ExportLayout layout;
    guint32 count;

    if (!find_export_layout(source->btf, &layout, error)
        || !intro_btf_offset(source->btf, "module", "syms", &syms, error)
        || !intro_btf_offset(source->btf, "module", "num_syms", &num_syms, error)
        || !intro_space_read_u64(source->space, module + syms, &table_va, error)
        || !intro_space_read_u32(source->space, module + num_syms, &count, error))
        return FALSE;
    if (count == 0 || layout.bytes == 0)
        return TRUE;
    if (!read_block(source, table_va, (guint64) MIN(count, MAX_EXPORTS) * layout.bytes, &table, error))
        return FALSE;
    find_names_range(&layout, &table, &first, &last);
    if (!read_strings(source, first, last, names, error))
        return FALSE;
    g_array_set_size(addresses, MIN(count, MAX_EXPORTS));
    for (guint i = 0; i < addresses->len; i++) {
        GuestVa *address = &g_array_index(addresses, GuestVa, i);

        if (read_export_field(&layout, &table, i * layout.bytes + layout.value, address)
            && read_export_field(&layout, &table, i * layout.bytes + layout.name, &name))
            g_hash_table_insert(exports, names->bytes + (name - names->va), address);
    }
    return TRUE;
}

/* ---- All symbols ---- */

typedef struct {
    GuestVa symbols, names, types;
    guint32 count;
} TableAddresses;

static gboolean
read_table_addresses(const Source *source, TableAddresses *tables, GError **error)
{
    gsize kallsyms, symtab, strtab, typetab, num_symtab;
    GuestVa va;

    if (!intro_btf_offset(source->btf, "module", "kallsyms", &kallsyms, error)
        || !intro_btf_offset(source->btf, "mod_kallsyms", "symtab", &symtab, error)
        || !intro_btf_offset(source->btf, "mod_kallsyms", "strtab", &strtab, error)
        || !intro_btf_offset(source->btf, "mod_kallsyms", "typetab", &typetab, error)
        || !intro_btf_offset(source->btf, "mod_kallsyms", "num_symtab", &num_symtab, error))
        return FALSE;
    if (!intro_space_read_u64(source->space, source->loaded->module.module + kallsyms, &va, error)
        || !intro_space_read_u64(source->space, va + symtab, &tables->symbols, error)
        || !intro_space_read_u64(source->space, va + strtab, &tables->names, error)
        || !intro_space_read_u64(source->space, va + typetab, &tables->types, error)
        || !intro_space_read_u32(source->space, va + num_symtab, &tables->count, error))
        return FALSE;
    if (tables->count > MAX_SYMBOLS) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "module %s claims to have %u symbols",
                    source->loaded->module.name, tables->count);
        return FALSE;
    }
    return TRUE;
}

static guint32
symbol_name(const Block *symbols, guint32 index)
{
    guint32 name = 0;

    block_u32(symbols, index * sizeof(Elf64_Sym) + G_STRUCT_OFFSET(Elf64_Sym, st_name), &name);
    return name;
}

static GuestVa
symbol_value(const Block *symbols, guint32 index)
{
    guint64 value = 0;

    block_u64(symbols, index * sizeof(Elf64_Sym) + G_STRUCT_OFFSET(Elf64_Sym, st_value), &value);
    return value;
}

static gboolean
symbol_is_global(const Block *symbols, guint32 index)
{
    gsize at = index * sizeof(Elf64_Sym) + G_STRUCT_OFFSET(Elf64_Sym, st_info);

    return at < symbols->length && ELF64_ST_BIND(symbols->bytes[at]) != STB_LOCAL;
}

static void
add_symbols(IntroSymbolGroup *group, const Block *symbols, const Block *types, gsize names_bytes, GHashTable *exports)
{
    for (guint32 i = 0; i < types->length; i++) {
        guint32 name = symbol_name(symbols, i);
        IntroSymbol symbol = {
            .va = symbol_value(symbols, i), .type = (char) types->bytes[i], .is_global = symbol_is_global(symbols, i),
        };
        const GuestVa *exported;

        if (name >= names_bytes || group->names[name] == '\0')
            continue;
        symbol.name = group->names + name;
        exported = g_hash_table_lookup(exports, symbol.name);
        symbol.type = exported != NULL && *exported == symbol.va ? g_ascii_toupper(symbol.type)
            : g_ascii_tolower(symbol.type);
        if (!g_ascii_isgraph(symbol.type))
            symbol.type = '?';
        g_array_append_val(group->symbols, symbol);
    }
}

static IntroSymbolGroup *
read_group(const Source *source, GHashTable *exports, GError **error)
{
    g_auto(Block) symbols = { 0 }, types = { 0 };
    Block names = { 0 };
    TableAddresses tables;
    IntroSymbolGroup *group;
    guint32 last_name = 0;

    if (!read_table_addresses(source, &tables, error)
        || !read_block(source, tables.symbols, (guint64) tables.count * sizeof(Elf64_Sym), &symbols, error)
        || !read_block(source, tables.types, tables.count, &types, error))
        return NULL;
    for (guint32 i = 0; i < tables.count; i++)
        last_name = MAX(last_name, symbol_name(&symbols, i));
    if (!read_strings(source, tables.names, tables.names + last_name, &names, error)) {
        block_clear(&names);
        return NULL;
    }
    group = intro_symbol_group_new(source->loaded->module.name, (char *) names.bytes);
    g_array_append_vals(group->regions, source->loaded->regions->data, source->loaded->regions->len);
    add_symbols(group, &symbols, &types, names.length, exports);
    return group;
}

IntroSymbolGroup *
intro_module_symbols_read(const IntroSpace *space, const IntroBtf *btf, const IntroLoadedModule *loaded,
                          gsize *budget, GError **error)
{
    Source source = { space, btf, loaded, budget };
    g_autoptr(GHashTable) exports = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GArray) addresses = g_array_new(FALSE, TRUE, sizeof(GuestVa));
    g_auto(Block) export_names = { 0 };

    if (!read_exports(&source, exports, addresses, &export_names, error))
        return NULL;
    return read_group(&source, exports, error);
}
