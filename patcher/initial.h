/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Initial values that a patch changes, of data that stay where they are: whether a running kernel's may simply get the new
 * value, and which bytes of it differ. docs/writing-updates.md says the same to those who make updates.
 *
 * Read-only data of the same size may: where the kernel looks at them, it sees what a kernel made from the patched source
 * would see. Of data that the kernel writes that is only known as long as they have their whole initial value, and as long
 * as nothing that ran at boot may have made anything of it (taken it as a size, say, or copied it); or if a function is only
 * called in place of another one.
 */
#ifndef PATCHER_INITIAL_H
#define PATCHER_INITIAL_H

#include "patcher/diff.h"

typedef struct {
    guint32 old_item, new_item;
    gboolean is_exchange;       /* written by the kernel, and all that differs is which functions it leads to */
    char *doubt;                /* why it is not known that it is right; NULL: it is */
} PatchInitial;

/* A stretch of a datum. */
typedef struct {
    guint64 offset, length;     /* bytes */
} PatchStretch;

/* Fills in DIFF->initials, before anything else is compared. */
void patch_initials_find(PatchDiff *diff);
void patch_initial_clear(gpointer initial);

/* The one of NEW_ITEM; NULL if there is none. */
const PatchInitial *patch_initial_find(const PatchDiff *diff, guint32 new_item);

/* Whether only functions of the same file that a running kernel may call refer to a datum that is never written: they
 * count as changed if it does, and their new code has one of its own. What boot code has made known to others is theirs; and what
 * functions give to objects, as a table of callbacks, stays where it is, as long as its size does. */
gboolean patch_initial_goes_with_code(const PatchDiff *diff, guint32 new_item);

/* What of it differs, by ascending offset: of PatchStretch, to be unreffed. References are never cut. */
GArray *patch_initial_stretches(PatchDiff *diff, guint32 old_item, guint32 new_item);

#endif
