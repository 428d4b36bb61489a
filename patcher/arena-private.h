/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the two parts of the arena share: what is in it (arena.c), and what is still free (arena-room.c).
 */
#ifndef PATCHER_ARENA_PRIVATE_H
#define PATCHER_ARENA_PRIVATE_H

#include "patcher/arena.h"

struct PatchArena {
    const IntroKernel *kernel;
    GArray *holes, *tails;      /* of IntroHole */
    GArray *taken;              /* of PatchArea */
    GPtrArray *offered;         /* of PatchRecord: claimed regions */
    PatchRoom missing;
    GPtrArray *records, *kept, *damaged;
    guint n_changes;            /* jumps and values, of all records */
    GHashTable *gone;           /* of PatchRecord, to a boolean */
};

void patch_arena_note_taken(PatchArena *arena, const PatchArea *area);

/* What of a tail a block or data area takes: all but for the first byte or some. Of length 0 if there is nothing left. */
PatchArea patch_arena_area_of_tail(const IntroHole *tail);

#endif
