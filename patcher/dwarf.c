/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/dwarf.h"

#include <dwarf.h>

#include "patcher/dwarf-file.h"
#include "patcher/dwarf-meaning.h"
#include "patcher/dwarf-type.h"

#define MAX_DEPTH 64
#define MAX_DIES (8 * 1024 * 1024)

typedef struct {
    PatchDwarf *facts;
    guint n_dies;
} Walk;

static void
signature_free(PatchSignature *signature)
{
    g_free(signature->text);
    g_free(signature->passed);
    g_free(signature);
}

static void
add_signature(PatchDwarf *facts, Dwarf_Die *die, const char *name)
{
    PatchSignature *signature = g_new0(PatchSignature, 1);

    signature->text = patch_dwarf_signature(die);
    signature->passed = patch_dwarf_passed(die);
    g_hash_table_insert(facts->signatures, g_strdup(name), signature);
}

void
patch_dwarf_free(PatchDwarf *dwarf)
{
    if (!dwarf)
        return;
    g_hash_table_unref(dwarf->structs);
    g_hash_table_unref(dwarf->variables);
    g_hash_table_unref(dwarf->signatures);
    g_hash_table_unref(dwarf->inlined);
    g_free(dwarf);
}

/* TYPE is taken over. */
static void
add_to(GHashTable *table, PatchStruct *type)
{
    GPtrArray *types = g_hash_table_lookup(table, type->name);

    if (!types) {
        types = g_ptr_array_new_with_free_func((GDestroyNotify) patch_struct_free);
        g_hash_table_insert(table, g_strdup(type->name), types);
    }
    g_ptr_array_add(types, type);
}

static void
add_struct(PatchDwarf *facts, Dwarf_Die *die, const char *prefix, const char *name)
{
    g_autofree char *full = g_strconcat(prefix, name, NULL);
    PatchStruct *type = patch_dwarf_struct(die, full);

    if (type)
        add_to(facts->structs, type);
}

/* Only what has a place of its own, and can have become something else than it was at boot. */
static void
add_variable(PatchDwarf *facts, Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    const char *name = dwarf_attr_integrate(die, DW_AT_name, &attribute) ? dwarf_formstring(&attribute) : NULL;
    Dwarf_Op *ops;
    size_t n;

    if (name && dwarf_attr(die, DW_AT_location, &attribute) && dwarf_getlocation(&attribute, &ops, &n) == 0 && n == 1 &&
        ops[0].atom == DW_OP_addr && !patch_dwarf_is_constant(die))
        add_to(facts->variables, patch_dwarf_variable(die, name));
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
        add_struct(walk->facts, die, name ? "enum " : PATCH_NAMELESS_ENUM, name ? name : "");
        break;
    case DW_TAG_typedef:
        add_typedef(walk->facts, die);
        break;
    case DW_TAG_variable:
        add_variable(walk->facts, die);
        break;
    case DW_TAG_subprogram:
        if (name && dwarf_hasattr(die, DW_AT_external) && !dwarf_hasattr(die, DW_AT_declaration))
            add_signature(walk->facts, die, name);
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
    PatchDwarfFile file;

    facts->structs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
    facts->variables = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
    facts->signatures = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) signature_free);
    facts->inlined = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_hash_table_unref);
    if (!patch_dwarf_open(&file, elf))
        return NULL;
    walk_units(&walk, file.dwarf);
    patch_dwarf_close(&file);
    return walk.n_dies ? g_steal_pointer(&facts) : NULL;
}
