/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Constants that a source patch gives other values. What ran at boot may have made something of the old ones: a table of so
 * many entries, say, in which new code would go by the new ones.
 */
#ifndef PATCHER_CHANGED_CONSTANTS_H
#define PATCHER_CHANGED_CONSTANTS_H

#include "patcher/dwarf.h"
#include "patcher/patchfile.h"

/* The macros without parameters and constant variables that the patch changes, and the macros that use those; TEXTS (char * ->
 * char *) has the patched files by path. A set of char *, to be unreffed. */
GHashTable *patch_changed_constants(const PatchFiles *files, GHashTable *texts);

/* Adds the constants of enumerations that have another value after the patch to NAMES. Either may be NULL. */
void patch_changed_constants_add(GHashTable *names, const PatchDwarf *old_dwarf, const PatchDwarf *new_dwarf);

/* The first of NAMES that the C text mentions, owned by NAMES; NULL if it mentions none. */
const char *patch_changed_constants_mentioned(const char *text, gsize length, GHashTable *names);

#endif
