/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/object.h"

#include <gelf.h>
#include <libelf.h>

#include "patcher/error.h"
#include "patcher/object-items.h"
#include "patcher/update-format.h"

#define MAX_FILE_BYTES (512 * 1024 * 1024)
#define MAX_SYMBOLS (1 << 20)
#define MAX_ADDEND (G_GINT64_CONSTANT(1) << 40)
#define MAX_ALIGNMENT (1 << 20)
/* Of one that takes no room in the file: nothing else bounds what it takes in memory. */
#define MAX_EMPTY_SECTION (64 * 1024 * 1024)

static void
section_free(PatchElfSection *section)
{
    g_free(section->name);
    g_array_unref(section->relocs);
    g_array_unref(section->items);
    g_free(section);
}

static void
symbol_free(PatchElfSymbol *symbol)
{
    g_free(symbol->name);
    g_free(symbol);
}

static void
item_free(PatchElfItem *item)
{
    g_free(item->name);
    g_free(item);
}

static PatchElf *
elf_new(GBytes *bytes)
{
    PatchElf *elf = g_new0(PatchElf, 1);

    elf->sections = g_ptr_array_new_with_free_func((GDestroyNotify) section_free);
    elf->symbols = g_ptr_array_new_with_free_func((GDestroyNotify) symbol_free);
    elf->items = g_ptr_array_new_with_free_func((GDestroyNotify) item_free);
    elf->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    elf->bytes = g_bytes_ref(bytes);
    return elf;
}

void
patch_elf_free(PatchElf *elf)
{
    if (!elf)
        return;
    g_hash_table_unref(elf->by_name);
    g_ptr_array_unref(elf->items);
    g_ptr_array_unref(elf->symbols);
    g_ptr_array_unref(elf->sections);
    g_bytes_unref(elf->bytes);
    g_free(elf);
}

const PatchElfSection *
patch_elf_section(const PatchElf *elf, guint32 index)
{
    return elf->sections->pdata[index];
}

const PatchElfSymbol *
patch_elf_symbol(const PatchElf *elf, guint32 index)
{
    return elf->symbols->pdata[index];
}

const PatchElfItem *
patch_elf_item(const PatchElf *elf, guint32 index)
{
    return elf->items->pdata[index];
}

gboolean
patch_elf_is_code(const PatchElfSection *section)
{
    return section->type == SHT_PROGBITS && section->flags & SHF_EXECINSTR;
}

gboolean
patch_elf_is_mergeable(const PatchElfSection *section)
{
    return section->flags & SHF_MERGE && section->entry_size && section->data;
}

gboolean
patch_reloc_is_pc_relative(guint32 type)
{
    return type == R_X86_64_PC32 || type == R_X86_64_PLT32 || type == R_X86_64_PC64;
}

guint32
patch_elf_find_section(const PatchElf *elf, const char *name, guint32 after)
{
    for (guint32 i = after + 1; i < elf->sections->len; i++)
        if (g_str_equal(patch_elf_section(elf, i)->name, name))
            return i;
    return 0;
}

gint32
patch_elf_find_item(const PatchElf *elf, const char *name)
{
    guint number = GPOINTER_TO_UINT(g_hash_table_lookup(elf->by_name, name));

    return number == G_MAXUINT ? -1 : (gint32) number - 1;
}

gboolean
patch_elf_has_item(const PatchElf *elf, const char *name)
{
    return g_hash_table_contains(elf->by_name, name);
}

guint
patch_elf_first_reloc(const PatchElfSection *section, guint64 offset)
{
    guint low = 0, high = section->relocs->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;

        if (g_array_index(section->relocs, PatchReloc, middle).offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const guint8 *
patch_elf_literal(const PatchElf *elf, const PatchPlace *place, gsize *length)
{
    const PatchElfSection *section = patch_elf_section(elf, place->index);
    guint64 end = place->offset;

    if (section->flags & SHF_STRINGS)
        while (end < section->size && section->data[end])
            end++;
    else
        end -= end % section->entry_size;
    end = MIN(section->size, end + section->entry_size);
    *length = end - place->offset;
    return section->data + place->offset;
}

static gboolean
damaged(GError **error, const char *what)
{
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "the object file is damaged: %s", what);
    return FALSE;
}

static gboolean
read_section(PatchElf *elf, Elf *file, Elf_Scn *scn, gsize names, GError **error)
{
    PatchElfSection *section = g_new0(PatchElfSection, 1);
    gsize file_bytes;
    const guint8 *base = g_bytes_get_data(elf->bytes, &file_bytes);
    const char *name = NULL;
    GElf_Shdr header;

    section->relocs = g_array_new(FALSE, TRUE, sizeof(PatchReloc));
    section->items = g_array_new(FALSE, TRUE, sizeof(guint32));
    g_ptr_array_add(elf->sections, section);
    if (gelf_getshdr(scn, &header))
        name = elf_strptr(file, names, header.sh_name);
    section->name = g_strdup(name ? name : "");
    if (!name)
        return damaged(error, "a section has no header");
    section->type = header.sh_type;
    section->flags = header.sh_flags;
    section->size = header.sh_size;
    section->alignment = MAX(header.sh_addralign, 1);
    section->entry_size = header.sh_entsize;
    if (section->alignment > MAX_ALIGNMENT || section->alignment & (section->alignment - 1))
        return damaged(error, "a section has an impossible alignment");
    if (header.sh_type == SHT_NOBITS || header.sh_type == SHT_NULL)
        return header.sh_size <= MAX_EMPTY_SECTION || damaged(error, "a section is too large");
    if (header.sh_offset > file_bytes || header.sh_size > file_bytes - header.sh_offset)
        return damaged(error, "a section lies outside of the file");
    section->data = base + header.sh_offset;
    return TRUE;
}

static gboolean
read_sections(PatchElf *elf, Elf *file, GError **error)
{
    PatchElfSection *null = g_new0(PatchElfSection, 1);
    Elf_Scn *scn = NULL;
    gsize names;

    null->name = g_strdup("");
    null->relocs = g_array_new(FALSE, TRUE, sizeof(PatchReloc));
    null->items = g_array_new(FALSE, TRUE, sizeof(guint32));
    g_ptr_array_add(elf->sections, null);
    if (elf_getshdrstrndx(file, &names) != 0)
        return damaged(error, "it has no section names");
    while ((scn = elf_nextscn(file, scn)))
        if (!read_section(elf, file, scn, names, error))
            return FALSE;
    return TRUE;
}

static gboolean
add_symbol(PatchElf *elf, const GElf_Sym *raw, guint32 shndx, const char *name, GError **error)
{
    PatchElfSymbol *symbol = g_new0(PatchElfSymbol, 1);
    guint type = GELF_ST_TYPE(raw->st_info);

    g_ptr_array_add(elf->symbols, symbol);
    symbol->is_global = GELF_ST_BIND(raw->st_info) != STB_LOCAL;
    symbol->is_weak = GELF_ST_BIND(raw->st_info) == STB_WEAK;
    symbol->is_function = type == STT_FUNC;
    symbol->is_section = type == STT_SECTION;
    symbol->value = raw->st_value;
    symbol->size = raw->st_size;
    symbol->section = shndx;
    if (shndx == SHN_UNDEF)
        symbol->section = -1;
    else if (shndx >= elf->sections->len)
        symbol->section = -2;
    symbol->name = g_strdup(symbol->is_section && symbol->section >= 0 ? patch_elf_section(elf, shndx)->name : name);
    if (symbol->section >= 0) {
        guint64 size = patch_elf_section(elf, shndx)->size;

        if (symbol->value > size || symbol->size > size - symbol->value)
            return damaged(error, "a symbol lies outside of its section");
    }
    return TRUE;
}

/* The section number of symbol INDEX, which is in a table of its own where there are very many sections. */
static guint32
symbol_section(const GElf_Sym *raw, const PatchElfSection *extended, gsize index)
{
    guint32 number;

    if (raw->st_shndx != SHN_XINDEX)
        return raw->st_shndx < SHN_LORESERVE ? raw->st_shndx : G_MAXUINT32;
    if (!extended || (index + 1) * sizeof number > extended->size)
        return G_MAXUINT32;
    memcpy(&number, extended->data + index * sizeof number, sizeof number);
    return number;
}

static const PatchElfSection *
find_by_type(const PatchElf *elf, guint32 type, guint32 *index)
{
    for (guint32 i = 1; i < elf->sections->len; i++)
        if (patch_elf_section(elf, i)->type == type) {
            *index = i;
            return elf->sections->pdata[i];
        }
    return NULL;
}

static gboolean
read_symbols(PatchElf *elf, Elf *file, GError **error)
{
    guint32 index, extended_index;
    const PatchElfSection *table = find_by_type(elf, SHT_SYMTAB, &index);
    const PatchElfSection *extended = find_by_type(elf, SHT_SYMTAB_SHNDX, &extended_index);
    Elf_Data *data = table ? elf_getdata(elf_getscn(file, index), NULL) : NULL;
    GElf_Shdr header;

    if (!data || !gelf_getshdr(elf_getscn(file, index), &header) || !header.sh_entsize)
        return damaged(error, "it has no symbols");
    if (header.sh_entsize != sizeof(Elf64_Sym) || data->d_size / header.sh_entsize > MAX_SYMBOLS)
        return damaged(error, "its table of symbols is malformed or too large");
    for (gsize i = 0; i < data->d_size / header.sh_entsize; i++) {
        GElf_Sym raw;
        const char *name = NULL;

        if (gelf_getsym(data, i, &raw))
            name = elf_strptr(file, header.sh_link, raw.st_name);
        if (!name)
            return damaged(error, "a symbol has no name");
        if (!add_symbol(elf, &raw, symbol_section(&raw, extended, i), name, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
read_reloc_table(PatchElf *elf, Elf *file, guint32 index, GError **error)
{
    Elf_Data *data = elf_getdata(elf_getscn(file, index), NULL);
    PatchElfSection *target;
    GElf_Shdr header;

    if (!data || !gelf_getshdr(elf_getscn(file, index), &header) || header.sh_info >= elf->sections->len ||
        !header.sh_entsize)
        return damaged(error, "a relocation table belongs to no section");
    target = elf->sections->pdata[header.sh_info];
    if (!(target->flags & SHF_ALLOC))
        return TRUE;
    for (gsize i = 0; i < data->d_size / header.sh_entsize; i++) {
        GElf_Rela raw;
        PatchReloc reloc = { 0 };

        if (!gelf_getrela(data, i, &raw) || GELF_R_SYM(raw.r_info) >= elf->symbols->len)
            return damaged(error, "a relocation names no symbol");
        reloc.type = GELF_R_TYPE(raw.r_info);
        if (reloc.type == R_X86_64_NONE)
            continue;
        if (!patch_fixup_width(reloc.type) || raw.r_offset > target->size ||
            patch_fixup_width(reloc.type) > target->size - raw.r_offset)
            return damaged(error, "a relocation is of an unknown type or outside of its section");
        if (raw.r_addend > MAX_ADDEND || raw.r_addend < -MAX_ADDEND)
            return damaged(error, "a relocation leads out of any kernel");
        reloc.offset = raw.r_offset;
        reloc.symbol = GELF_R_SYM(raw.r_info);
        reloc.addend = raw.r_addend;
        g_array_append_val(target->relocs, reloc);
    }
    return TRUE;
}

static int
compare_relocs(gconstpointer a, gconstpointer b)
{
    guint64 first = ((const PatchReloc *) a)->offset, second = ((const PatchReloc *) b)->offset;

    return first < second ? -1 : first > second;
}

static gboolean
read_relocs(PatchElf *elf, Elf *file, GError **error)
{
    for (guint32 i = 1; i < elf->sections->len; i++)
        if (patch_elf_section(elf, i)->type == SHT_RELA && !read_reloc_table(elf, file, i, error))
            return FALSE;
    for (guint32 i = 1; i < elf->sections->len; i++)
        g_array_sort(((PatchElfSection *) elf->sections->pdata[i])->relocs, compare_relocs);
    return TRUE;
}

static gboolean
read_all(PatchElf *elf, Elf *file, GError **error)
{
    GElf_Ehdr header;

    if (elf_kind(file) != ELF_K_ELF || !gelf_getehdr(file, &header) || header.e_machine != EM_X86_64 ||
        header.e_type != ET_REL)
        return damaged(error, "it is no relocatable object of x86-64");
    return read_sections(elf, file, error) && read_symbols(elf, file, error) && read_relocs(elf, file, error) &&
           patch_elf_add_items(elf, error);
}

PatchElf *
patch_elf_parse(GBytes *bytes, GError **error)
{
    g_autoptr(PatchElf) elf = elf_new(bytes);
    gsize length;
    gconstpointer data = g_bytes_get_data(bytes, &length);
    gboolean ok = FALSE;
    Elf *file;

    elf_version(EV_CURRENT);
    file = length > 0 && length < MAX_FILE_BYTES ? elf_memory((char *) data, length) : NULL;
    if (file)
        ok = read_all(elf, file, error);
    else
        damaged(error, "it is empty or too large");
    elf_end(file);
    return ok ? g_steal_pointer(&elf) : NULL;
}

GBytes *
patch_elf_load(const char *path, GError **error)
{
    g_autoptr(GError) cause = NULL;
    char *content;
    gsize length;

    if (g_file_get_contents(path, &content, &length, &cause))
        return g_bytes_new_take(content, length);
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", cause->message);
    return NULL;
}

PatchElf *
patch_elf_read(const char *path, GError **error)
{
    g_autoptr(GBytes) bytes = patch_elf_load(path, error);
    PatchElf *elf = bytes ? patch_elf_parse(bytes, error) : NULL;

    if (bytes && !elf)
        g_prefix_error(error, "%s: ", path);
    return elf;
}

guint8 *
patch_elf_bytes(const PatchElf *elf, guint32 index, guint64 offset, guint64 size)
{
    const PatchElfSection *section = patch_elf_section(elf, index);
    guint8 *bytes = g_malloc0(size + 1);

    if (section->data)
        memcpy(bytes, section->data + offset, size);
    for (guint i = patch_elf_first_reloc(section, offset); i < section->relocs->len; i++) {
        const PatchReloc *reloc = &g_array_index(section->relocs, PatchReloc, i);
        guint64 at = reloc->offset - offset;

        if (at >= size)
            break;
        memset(bytes + at, 0, MIN(patch_fixup_width(reloc->type), size - at));
    }
    return bytes;
}
