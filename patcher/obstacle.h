/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether calls of a function can be redirected where it begins: a jump of five bytes stands behind the call of the
 * function tracer, or at the start of a function that does not call it.
 */
#ifndef PATCHER_OBSTACLE_H
#define PATCHER_OBSTACLE_H

#include "patcher/object.h"

typedef struct {
    const PatchElf *elf;        /* the object as it runs */
    GArray *entries;            /* of it, from patch_tables_read */
} PatchEntries;

/* Why ITEM, a function, cannot be redirected, as "is too short: ..."; to be freed. NULL if it can. */
char *patch_obstacle(const PatchEntries *entries, guint32 item);

/* Whether some task sleeps in the function NAME at any time, so that there never is a moment to replace it. */
gboolean patch_obstacle_always_sleeps(const char *name);

#endif
