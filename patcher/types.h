/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Types of two objects side by side: objects in a running kernel's memory, and modules that call it, have the old ones.
 */
#ifndef PATCHER_TYPES_H
#define PATCHER_TYPES_H

#include "patcher/dwarf.h"
#include "patcher/finding.h"

/* Adds to FINDINGS every structure whose layout or members differ, and every function that OLD_ELF exports to modules and
 * whose parameters or result differ. NOTES (of char *; may be NULL) receives what is no obstacle: numbers that are no
 * longer in a structure. */
void patch_types_compare(const PatchElf *old_elf, const PatchDwarf *old_dwarf, const PatchDwarf *new_dwarf,
                         GPtrArray *findings, GPtrArray *notes);

#endif
