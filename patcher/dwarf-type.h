/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Types as DWARF describes them. Internal to what reads debugging information.
 */
#ifndef PATCHER_DWARF_TYPE_H
#define PATCHER_DWARF_TYPE_H

#include <elfutils/libdw.h>

#include "patcher/dwarf.h"

/* The type that DIE's DW_AT_type names, as in C; "void" if it has none. To be freed. */
char *patch_dwarf_type_name(Dwarf_Die *die);

/* The parameters and result of the function DIE. To be freed. */
char *patch_dwarf_signature(Dwarf_Die *die);

/* The same of which only that is told that callers have to agree on: the same text where one can call the other. To be
 * freed. */
char *patch_dwarf_passed(Dwarf_Die *die);

/* The structure, union or enumeration DIE; NULL if it is only declared. NAME is to be its name. */
PatchStruct *patch_dwarf_struct(Dwarf_Die *die, const char *name);
void patch_struct_free(PatchStruct *type);

/* The variable DIE as a structure of which it is the first member; where its own structure has no name, its members follow.
 * NAME is to be its name. */
PatchStruct *patch_dwarf_variable(Dwarf_Die *die, const char *name);

/* The type that DIE's DW_AT_type names. */
gboolean patch_dwarf_type_of(Dwarf_Die *die, Dwarf_Die *type);

/* The attribute NAME (DW_AT_*) of DIE. */
guint64 patch_dwarf_number(Dwarf_Die *die, guint name, guint64 otherwise);

/* Where MEMBER, which has so many BITS, begins: in bits from the start of what it is a member of. */
guint64 patch_dwarf_member_offset(Dwarf_Die *member, guint64 bits, gboolean is_field);

#endif
