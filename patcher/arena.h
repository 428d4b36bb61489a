/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The room for new code and data in the guest's own kernel image, and what is installed there already.
 */
#ifndef PATCHER_ARENA_H
#define PATCHER_ARENA_H

#include "introspect/kernel.h"
#include "patcher/record.h"

typedef struct PatchArena PatchArena;

/* Finds all blocks in the guest's holes. KERNEL is borrowed. */
PatchArena *patch_arena_open(const IntroKernel *kernel, GError **error);
void patch_arena_free(PatchArena *arena);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchArena, patch_arena_free)

/* The installed updates, oldest first: of PatchRecord; owned by the arena. */
GPtrArray *patch_arena_records(const PatchArena *arena);

/* The one with that id, or PATCH_ERROR_FAILED. */
const PatchRecord *patch_arena_find(const PatchArena *arena, const char *id, GError **error);

/* A sentence for each block that is there but damaged: of char *; owned by the arena. */
GPtrArray *patch_arena_damaged(const PatchArena *arena);

/*
 * Room for BYTES bytes, rounded up to whole pages, that was just seen to be empty; the arena remembers that it is
 * taken. PATCH_ERROR_DOES_NOT_FIT if there is no such room.
 */
gboolean patch_arena_take(PatchArena *arena, gboolean executable, guint64 bytes, PatchArea *area, GError **error);

#endif
