/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The room for new code and data in the guest's own kernel image, and in memory that its allocator has given; and what is
 * installed there already.
 */
#ifndef PATCHER_ARENA_H
#define PATCHER_ARENA_H

#include "introspect/kernel.h"
#include "patcher/record.h"

/* How many jumps and values there are in all records together. They are compared with each other; a guest may make up more. */
#define PATCH_MAX_CHANGES 8192

typedef struct PatchArena PatchArena;

/* Finds all blocks in the guest's holes, tails and regions. KERNEL is borrowed. */
PatchArena *patch_arena_open(const IntroKernel *kernel, GError **error);
void patch_arena_free(PatchArena *arena);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchArena, patch_arena_free)

/*
 * What is installed or interrupted, oldest first: of PatchRecord; owned by the arena. Their states are what they mean
 * together: one is preparing if another of its application is, removing if another of its update is, and replaced if
 * one that is installed has taken its place.
 */
GPtrArray *patch_arena_records(const PatchArena *arena);

/* What stays of updates that were undone (kept.h): of PatchRecord; owned by the arena. Their jumps and values mean nothing. */
GPtrArray *patch_arena_kept(const PatchArena *arena);

/* Where there is room, taken or not: of IntroHole; owned by the arena. */
const GArray *patch_arena_holes(const PatchArena *arena);

/* FALSE if N_CHANGES more jumps and values would be more than there can be. */
gboolean patch_arena_can_hold(const PatchArena *arena, guint n_changes);

/* What was found out of records (patch_record_is_gone), which takes long. */
GHashTable *patch_arena_gone(const PatchArena *arena);

/* Those whose place RECORD takes, or was to take: of PatchRecord, owned by the arena; the array is to be unreffed. */
GPtrArray *patch_arena_replaced_by(const PatchArena *arena, const PatchRecord *record);

/* Whether any of it is of the update with that id. */
gboolean patch_arena_has(const PatchArena *arena, const char *id);

/* The number of the next application. */
guint64 patch_arena_next_sequence(const PatchArena *arena);

/* PATCH_ERROR_NOT_NOW if an apply or undo was interrupted in this guest, or is going on. */
gboolean patch_arena_check_settled(const PatchArena *arena, GError **error);

/* Puts the kernel's own code in place of jumps in the LENGTH bytes at BYTES, which were read at VA. */
void patch_arena_take_jumps_out(const PatchArena *arena, GuestVa va, guint8 *bytes, gsize length);

/* A sentence for each block that is there but damaged: of char *; owned by the arena. */
GPtrArray *patch_arena_damaged(const PatchArena *arena);

/* What is to be found room for. */
typedef struct {
    guint64 text_bytes, data_bytes;
    gboolean may_be_tail;       /* what is there for a short while only */
    gboolean may_be_region;     /* the guest's kernel is to know it */
} PatchRoom;

/*
 * Room for ROOM that was just seen to be empty, in whole pages, or one that was offered; the arena remembers that it is
 * taken. RECORD is told of it. PATCH_ERROR_NO_ROOM if there is none; then patch_arena_missing() tells what would do.
 */
gboolean patch_arena_take(PatchArena *arena, const PatchRoom *room, PatchRecord *record, GError **error);

/* What there was no room for, in whole pages. */
PatchRoom patch_arena_missing(const PatchArena *arena);

/* The region at VA, which is claimed and has been got for this purpose, is room, and no record of ARENA's any more. FALSE if
 * it is in use, or not there. */
gboolean patch_arena_offer(PatchArena *arena, GuestVa va);

/* For a plan that is not to be executed: as if there were such a region. */
void patch_arena_imagine(PatchArena *arena, const PatchRoom *region);

#endif
