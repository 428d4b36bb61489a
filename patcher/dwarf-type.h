/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Types as DWARF describes them. Internal to dwarf.c.
 */
#ifndef PATCHER_DWARF_TYPE_H
#define PATCHER_DWARF_TYPE_H

#include <elfutils/libdw.h>

#include "patcher/dwarf.h"

/* The type that DIE's DW_AT_type names, as in C; "void" if it has none. To be freed. */
char *patch_dwarf_type_name(Dwarf_Die *die);

/* The parameters and result of the function DIE. To be freed. */
char *patch_dwarf_signature(Dwarf_Die *die);

/* The structure, union or enumeration DIE; NULL if it is only declared. NAME is to be its name. */
PatchStruct *patch_dwarf_struct(Dwarf_Die *die, const char *name);
void patch_struct_free(PatchStruct *type);

#endif
