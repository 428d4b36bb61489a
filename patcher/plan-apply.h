/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plan that installs an update.
 */
#ifndef PATCHER_PLAN_APPLY_H
#define PATCHER_PLAN_APPLY_H

#include "patcher/arena.h"
#include "patcher/plan.h"
#include "patcher/update.h"

/* What is between the stages is there for what has to be run in the guest (hooks.h). */
typedef enum {
    PATCH_APPLY_AT_ONCE,
    PATCH_APPLY_PLACE,          /* new code and data are there, and nothing calls or uses them: records are preparing */
    PATCH_APPLY_SWITCH,         /* the rest, of what the stage before has left */
} PatchApplyStage;

/*
 * Matches, places and links UPDATE for the guest: all parts of it that are not installed yet and whose modules are
 * loaded. Room is taken from ARENA. With REPLACE, every other update is taken out in the same go. PATCH_ERROR_DOES_NOT_FIT:
 * not made for this guest's kernel, installed already, or in conflict with an installed update; PATCH_ERROR_NOT_NOW: no
 * module that it has to do with is loaded, or one is just being loaded or unloaded.
 */
PatchPlan *patch_plan_apply(const IntroKernel *kernel, PatchArena *arena, const PatchUpdate *update, gboolean replace,
                            PatchApplyStage stage, GError **error);

#endif
