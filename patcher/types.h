/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Types of two objects side by side: objects in a running kernel's memory, and modules that call it, have the old ones.
 */
#ifndef PATCHER_TYPES_H
#define PATCHER_TYPES_H

#include "patcher/dwarf.h"
#include "patcher/finding.h"
#include "patcher/pairing.h"

/* Adds to FINDINGS every structure whose layout or members differ, every variable whose type does, or that may go on by another
 * name, and every function that the old object exports to modules and whose parameters or result differ. NOTES (of char *;
 * may be NULL) receives what is no obstacle: numbers that are no longer in a structure. COUNTS (of char *; may be NULL)
 * receives the constants that change and are taken for the number of the others by what they are called. */
void patch_types_compare(const PatchPairing *pairing, const PatchDwarf *old_dwarf, const PatchDwarf *new_dwarf,
                         GPtrArray *findings, GPtrArray *notes, GPtrArray *counts);

/* The same of one structure, union or enumeration. */
void patch_types_compare_struct(const PatchStruct *old_type, const PatchStruct *new_type, GPtrArray *findings);

#endif
