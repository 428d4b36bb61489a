/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The places where installed updates have put jumps: what is there, and what has to be there. At one place several
 * updates may have one each; the latest is in force, and below all of them is the kernel's own code.
 */
#ifndef PATCHER_JUMPS_H
#define PATCHER_JUMPS_H

#include "patcher/arena.h"
#include "patcher/plan.h"

typedef enum {
    PATCH_JUMP_IN_FORCE,
    PATCH_JUMP_SUPERSEDED,      /* a later update's jump is there */
    PATCH_JUMP_GONE,            /* with its module, which was unloaded since */
    PATCH_JUMP_ABSENT,          /* the kernel's own code is there */
    PATCH_JUMP_ALTERED,         /* or something else */
} PatchJumpState;

/* What has become of RECORD's JUMP. */
PatchJumpState patch_jump_state(const IntroKernel *kernel, const PatchArena *arena, const PatchRecord *record,
                                const PatchJump *jump);

/* TRUE if RECORD's jumps, of ARENA, are in a module that was unloaded since; as it was when first asked. Another one of the
 * same name, at the same place even, is not the one that they were in. */
gboolean patch_record_is_gone(const IntroKernel *kernel, const PatchArena *arena, const PatchRecord *record);

/* The installed record, not among EXCEPT (may be NULL), whose jump at VA is the latest one; NULL if there is none.
 * JUMP, if it is not NULL, is that jump. */
const PatchRecord *patch_jumps_latest(const IntroKernel *kernel, const PatchArena *arena, const GPtrArray *except,
                                      GuestVa va, const PatchJump **jump);

/*
 * Adds to PLAN what brings all places that are concerned from what is there to what has to be there when REMOVED (of
 * PatchRecord, of the arena) are no longer installed and ADDED (the same) are. PATCH_ERROR_DOES_NOT_FIT: something is
 * there that nobody here has put there.
 */
gboolean patch_jumps_plan(PatchPlan *plan, const IntroKernel *kernel, const PatchArena *arena, const GPtrArray *removed,
                          const GPtrArray *added, GError **error);

#endif
