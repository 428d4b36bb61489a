/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plans that take installed updates out, and the look at whether everything installed is still what it was.
 */
#ifndef PATCHER_PLAN_UNDO_H
#define PATCHER_PLAN_UNDO_H

#include "patcher/arena.h"
#include "patcher/plan.h"

typedef enum {
    PATCH_UNDO_AT_ONCE,
    PATCH_UNDO_SWITCH,          /* nothing calls or uses the new code and data any more, but they are there: records are
                                   removing */
} PatchUndoStage;

/* ID: of the update; NULL means all of them, in one go. PATCH_ERROR_FAILED if it is not installed, PATCH_ERROR_NOT_NOW
 * if something was interrupted, PATCH_ERROR_DOES_NOT_FIT if a later update changes the same function or datum and has to
 * go first, or if somebody else has changed a jump or a datum since: undoing would destroy what they did. With KEEP_DATA,
 * data that the guest has changed are left as they are. */
PatchPlan *patch_plan_undo(const IntroKernel *kernel, const PatchArena *arena, const char *id, PatchUndoStage stage,
                           gboolean keep_data, GError **error);

/* Rolls back what was interrupted, or finishes it where everything but tidying up is done; of update ID, or of all (NULL).
 * A plan without records if there is nothing. */
PatchPlan *patch_plan_recover(const IntroKernel *kernel, const PatchArena *arena, const char *id, GError **error);

/* Takes out what lies in the block at VA, which is in no use any more or was never used. */
PatchPlan *patch_plan_take_out(const IntroKernel *kernel, const PatchArena *arena, GuestVa va, GError **error);

/* What differs from what was installed, a sentence each: of char *, to be unreffed; empty if all is well. */
GPtrArray *patch_verify_record(const IntroKernel *kernel, const PatchArena *arena, const PatchRecord *record);

#endif
