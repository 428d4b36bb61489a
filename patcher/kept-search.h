/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Constants of updates that are undone (kept.h), as good as new to one that comes later. What has a state is not.
 */
#ifndef PATCHER_KEPT_SEARCH_H
#define PATCHER_KEPT_SEARCH_H

#include "patcher/arena.h"
#include "patcher/link.h"

/* Looks for what a block that is kept already has of the pieces of RESOLVED's object that are to stay: those are at home there
 * from now on, and VAS gets their addresses. */
void patch_kept_find(const IntroKernel *kernel, const PatchArena *arena, const PatchResolved *resolved, PatchHome *homes,
                     GuestVa *vas);

#endif
