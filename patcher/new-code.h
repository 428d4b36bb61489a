/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other half of an update's object (the first is old-code.h's): the pieces of new code and data, and what they refer to.
 */
#ifndef PATCHER_NEW_CODE_H
#define PATCHER_NEW_CODE_H

#include "patcher/diff.h"
#include "patcher/old-code.h"
#include "patcher/tables.h"

typedef struct PatchNewCode PatchNewCode;

/* Code comes from the new object of DIFF; of its functions, those in REPLACED (set of char *) are to replace old ones.
 * OBJECT is filled in; what whoever makes the update should know goes to NOTES (of char *; may be NULL). All are borrowed. */
PatchNewCode *patch_new_code_new(PatchObject *object, PatchDiff *diff, PatchOldCode *old, GHashTable *replaced,
                                 GPtrArray *notes);
void patch_new_code_free(PatchNewCode *code);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchNewCode, patch_new_code_free)

/* Adds a piece for ITEM of the new object, and for everything new that it refers to; INDEX is that of its piece.
 * PATCH_ERROR_DOES_NOT_FIT: it holds what an update cannot carry, named in the message. */
gboolean patch_new_code_add(PatchNewCode *code, guint32 item, guint32 *index, GError **error);

/* The LENGTH bytes at OFFSET of the datum ITEM of the new object go to VALUE, and everything new that they refer to becomes
 * pieces. */
gboolean patch_new_code_value(PatchNewCode *code, guint32 item, guint64 offset, guint64 length, PatchCode *value,
                              GError **error);

/* Takes code as the kernel's build made it: the tables that the headers of PATCH_BUILD_NEW_CODE avoid are no
 * obstacle. What comes of it is not for use. */
void patch_new_code_as_built(PatchNewCode *code);

#endif
