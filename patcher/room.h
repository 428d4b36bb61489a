/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Getting regions from the guest's own allocator, and giving them back, by functions of its kernel that are run (runner.h):
 *
 *     module_alloc(), set_memory_ro(), set_memory_x() in one thread
 *       | what ran them is taken out, and the region claimed, in one pause
 *     the region is a place for a block, as a hole is (arena.h)
 *       | undo leaves it claimed, in the pause that proves that nobody is in it
 *     set_memory_nx(), set_memory_rw(), vfree() in one thread
 *
 * So whatever dies when, a region is either what runs something has as its result, or claimed, or in use: recover finds it.
 */
#ifndef PATCHER_ROOM_H
#define PATCHER_ROOM_H

#include "patcher/arena.h"
#include "patcher/runner.h"

/* PATCH_ERROR_DOES_NOT_FIT if the guest's kernel has no such functions. */
gboolean patch_room_check(const IntroKernel *kernel, GError **error);

/* Gets a region for ROOM, in whole pages, for update ID: *VA, claimed. The guest's stops are added to PAUSES.
 * PATCH_ERROR_NOT_NOW: the guest has none to give. */
gboolean patch_room_get(const PatchGuest *guest, const char *id, const PatchRoom *room, PatchPauses *pauses, GuestVa *va,
                        GError **error);

/* Gives back all that are claimed. */
gboolean patch_room_give_back(const PatchGuest *guest, PatchPauses *pauses, GError **error);

#endif
