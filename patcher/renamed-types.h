/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Structures that a patch gives another name and other members in one: objects in a running kernel's memory are of the old one,
 * though there is none of that name any more to compare the new one with.
 */
#ifndef PATCHER_RENAMED_TYPES_H
#define PATCHER_RENAMED_TYPES_H

#include "patcher/dwarf.h"

/* Adds to FINDINGS those of which PATCH, a source patch, takes the one definition out and puts the other in. Without a PATCH (NULL):
 * all that only the one or only the other object knows, and that have most of their members in common. */
void patch_renamed_types_find(const PatchDwarf *old_dwarf, const PatchDwarf *new_dwarf, const char *patch, GPtrArray *findings);

#endif
