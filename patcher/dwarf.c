/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/dwarf.h"

#include <dwarf.h>
#include <gelf.h>
#include <libelf.h>

#include "patcher/dwarf-type.h"

#define MAX_DEPTH 64
#define MAX_DIES (8 * 1024 * 1024)

typedef struct {
    PatchDwarf *facts;
    guint n_dies;
} Walk;

void
patch_dwarf_free(PatchDwarf *dwarf)
{
    if (!dwarf)
        return;
    g_hash_table_unref(dwarf->structs);
    g_hash_table_unref(dwarf->signatures);
    g_hash_table_unref(dwarf->inlined);
    g_free(dwarf);
}

/* Fills in the fields of one debugging section, TARGET, that the relocations in DATA speak of. Everything is taken as if
 * loaded at zero. */
static void
relocate(const PatchElf *elf, Elf_Data *data, Elf_Data *target)
{
    for (gsize i = 0; i < data->d_size / sizeof(Elf64_Rela); i++) {
        GElf_Rela rela;
        guint64 value;
        gsize width;

        if (!gelf_getrela(data, i, &rela) || GELF_R_SYM(rela.r_info) >= elf->symbols->len)
            return;
        width = GELF_R_TYPE(rela.r_info) == R_X86_64_64 ? 8 : GELF_R_TYPE(rela.r_info) == R_X86_64_32 ? 4 : 0;
        if (!width || rela.r_offset > target->d_size || width > target->d_size - rela.r_offset)
            continue;
        value = GUINT64_TO_LE(patch_elf_symbol(elf, GELF_R_SYM(rela.r_info))->value + rela.r_addend);
        memcpy((guint8 *) target->d_buf + rela.r_offset, &value, width);
    }
}

static Elf_Data *
debug_section(const PatchElf *elf, Elf *file, guint index)
{
    const PatchElfSection *section = index < elf->sections->len ? patch_elf_section(elf, index) : NULL;
    Elf_Scn *scn = section && g_str_has_prefix(section->name, ".debug_") ? elf_getscn(file, index) : NULL;

    if (!scn)
        return NULL;
    if (section->flags & SHF_COMPRESSED && elf_compress(scn, 0, 0) < 0)
        return NULL;
    return elf_getdata(scn, NULL);
}

static void
relocate_all(const PatchElf *elf, Elf *file)
{
    for (guint32 i = 1; i < elf->sections->len; i++) {
        Elf_Scn *scn = patch_elf_section(elf, i)->type == SHT_RELA ? elf_getscn(file, i) : NULL;
        Elf_Data *data, *target;
        GElf_Shdr header;

        if (!scn || !gelf_getshdr(scn, &header))
            continue;
        target = debug_section(elf, file, header.sh_info);
        data = target && target->d_buf ? elf_getdata(scn, NULL) : NULL;
        if (data && data->d_buf)
            relocate(elf, data, target);
    }
}

static void
add_struct(PatchDwarf *facts, Dwarf_Die *die, const char *prefix, const char *name)
{
    g_autofree char *full = g_strconcat(prefix, name, NULL);
    PatchStruct *type = patch_dwarf_struct(die, full);
    GPtrArray *types;

    if (!type)
        return;
    types = g_hash_table_lookup(facts->structs, full);
    if (!types) {
        types = g_ptr_array_new_with_free_func((GDestroyNotify) patch_struct_free);
        g_hash_table_insert(facts->structs, g_steal_pointer(&full), types);
    }
    g_ptr_array_add(types, type);
}

/* A structure that has no name but that of a typedef. */
static void
add_typedef(PatchDwarf *facts, Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    Dwarf_Die type;
    int tag;

    if (!dwarf_diename(die) || !dwarf_attr(die, DW_AT_type, &attribute) || !dwarf_formref_die(&attribute, &type))
        return;
    tag = dwarf_tag(&type);
    if ((tag == DW_TAG_structure_type || tag == DW_TAG_union_type) && !dwarf_diename(&type))
        add_struct(facts, &type, "", dwarf_diename(die));
}

static void
add_inlined(PatchDwarf *facts, const char *function, Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    const char *name = dwarf_attr_integrate(die, DW_AT_name, &attribute) ? dwarf_formstring(&attribute) : NULL;
    GHashTable *names = g_hash_table_lookup(facts->inlined, function);

    if (!name)
        return;
    if (!names) {
        names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_hash_table_insert(facts->inlined, g_strdup(function), names);
    }
    g_hash_table_add(names, g_strdup(name));
}

static void
add_die(Walk *walk, Dwarf_Die *die, const char *function)
{
    const char *name = dwarf_diename(die);

    switch (dwarf_tag(die)) {
    case DW_TAG_structure_type:
        if (name)
            add_struct(walk->facts, die, "struct ", name);
        break;
    case DW_TAG_union_type:
        if (name)
            add_struct(walk->facts, die, "union ", name);
        break;
    case DW_TAG_enumeration_type:
        if (name)
            add_struct(walk->facts, die, "enum ", name);
        break;
    case DW_TAG_typedef:
        add_typedef(walk->facts, die);
        break;
    case DW_TAG_subprogram:
        if (name && dwarf_hasattr(die, DW_AT_external) && !dwarf_hasattr(die, DW_AT_declaration))
            g_hash_table_insert(walk->facts->signatures, g_strdup(name), patch_dwarf_signature(die));
        break;
    case DW_TAG_inlined_subroutine:
        if (function)
            add_inlined(walk->facts, function, die);
        break;
    default:
        break;
    }
}

/* DIE's children, of which FUNCTION is the function that they are in. */
static void
walk_children(Walk *walk, Dwarf_Die *die, const char *function, guint depth)
{
    Dwarf_Die child;

    if (depth >= MAX_DEPTH || dwarf_child(die, &child) != 0)
        return;
    do {
        const char *within = function;
        Dwarf_Attribute attribute;

        if (++walk->n_dies > MAX_DIES)
            return;
        if (dwarf_tag(&child) == DW_TAG_subprogram)
            within = dwarf_attr_integrate(&child, DW_AT_name, &attribute) ? dwarf_formstring(&attribute) : NULL;
        add_die(walk, &child, within);
        walk_children(walk, &child, within, depth + 1);
    } while (dwarf_siblingof(&child, &child) == 0);
}

static void
walk_units(Walk *walk, Dwarf *dwarf)
{
    Dwarf_Off offset = 0, next;
    size_t header_bytes;

    while (dwarf_nextcu(dwarf, offset, &next, &header_bytes, NULL, NULL, NULL) == 0 && next > offset) {
        Dwarf_Die unit;

        if (dwarf_offdie(dwarf, offset + header_bytes, &unit))
            walk_children(walk, &unit, NULL, 0);
        offset = next;
    }
}

PatchDwarf *
patch_dwarf_read(const PatchElf *elf)
{
    g_autoptr(PatchDwarf) facts = g_new0(PatchDwarf, 1);
    Walk walk = { .facts = facts };
    gsize length;
    gconstpointer bytes = g_bytes_get_data(elf->bytes, &length);
    g_autofree char *copy = patch_elf_find_section(elf, ".debug_info", 0) ? g_memdup2(bytes, length) : NULL;
    Elf *file = copy ? elf_memory(copy, length) : NULL;
    Dwarf *dwarf;

    facts->structs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
    facts->signatures = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    facts->inlined = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_hash_table_unref);
    if (!file)
        return NULL;
    relocate_all(elf, file);
    dwarf = dwarf_begin_elf(file, DWARF_C_READ, NULL);
    if (dwarf)
        walk_units(&walk, dwarf);
    dwarf_end(dwarf);
    elf_end(file);
    return walk.n_dies ? g_steal_pointer(&facts) : NULL;
}
