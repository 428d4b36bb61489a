/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The room for new code and data in the guest's own kernel image, and what is installed there already.
 */
#ifndef PATCHER_ARENA_H
#define PATCHER_ARENA_H

#include "introspect/kernel.h"
#include "patcher/record.h"

/* How many jumps and values there are in all records together. They are compared with each other; a guest may make up more. */
#define PATCH_MAX_CHANGES 8192

typedef struct PatchArena PatchArena;

/* Finds all blocks in the guest's holes. KERNEL is borrowed. */
PatchArena *patch_arena_open(const IntroKernel *kernel, GError **error);
void patch_arena_free(PatchArena *arena);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchArena, patch_arena_free)

/*
 * What is installed or interrupted, oldest first: of PatchRecord; owned by the arena. Their states are what they mean
 * together: one is preparing if another of its application is, removing if another of its update is, and replaced if
 * one that is installed has taken its place.
 */
GPtrArray *patch_arena_records(const PatchArena *arena);

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

/*
 * Room for BYTES bytes, rounded up to whole pages, that was just seen to be empty; the arena remembers that it is
 * taken. PATCH_ERROR_DOES_NOT_FIT if there is no such room.
 */
gboolean patch_arena_take(PatchArena *arena, gboolean executable, guint64 bytes, PatchArea *area, GError **error);

#endif
