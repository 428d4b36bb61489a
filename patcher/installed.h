/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The updates that are installed in a guest, each with all its records.
 */
#ifndef PATCHER_INSTALLED_H
#define PATCHER_INSTALLED_H

#include "patcher/arena.h"
#include "patcher/guest.h"

typedef struct {
    const PatchGuest *guest;
    const PatchArena *arena;
    GPtrArray *records;         /* of PatchRecord, oldest first */
    GPtrArray *waiting;         /* of const char *: modules that a part of it waits for */
    GPtrArray *gone;            /* the same: modules that were unloaded after it was applied to them */
} PatchInstalled;

/* Of PatchInstalled, in the order of their first applications; to be unreffed. GUEST and ARENA are borrowed. */
GPtrArray *patch_installed_updates(const PatchGuest *guest, const PatchArena *arena);

#endif
