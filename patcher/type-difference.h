/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between two structures, enumerations or variables of one name, as far as it matters to what a running kernel's
 * memory holds of them. Internal to the comparison of types.
 */
#ifndef PATCHER_TYPE_DIFFERENCE_H
#define PATCHER_TYPE_DIFFERENCE_H

#include "patcher/dwarf.h"

#define PATCH_MAX_MEMBERS_NAMED 4   /* members of one structure that are named */

typedef struct {
    GPtrArray *changed;         /* of char *: members that are new, gone or of another type; constants with other values */
    GPtrArray *moved;           /* of char *: sizes and places that differ; that is all, if only a structure within it changed */
    GPtrArray *gone;            /* of PatchMember: numbers that are no longer there, of which CHANGED does not tell */
    const PatchMember *count;   /* the last constant, if it changes and is called as if it only counted the others; or NULL */
} PatchTypeDifference;

/* The types are borrowed. */
void patch_type_difference_init(PatchTypeDifference *difference, const PatchStruct *old_type, const PatchStruct *new_type);
void patch_type_difference_clear(PatchTypeDifference *difference);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PatchTypeDifference, patch_type_difference_clear)

/* The first of what differs, causes before effects; to be freed. */
char *patch_type_difference_text(const PatchTypeDifference *difference);

#endif
