/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plan that installs an update.
 */
#ifndef PATCHER_PLAN_APPLY_H
#define PATCHER_PLAN_APPLY_H

#include "patcher/arena.h"
#include "patcher/plan.h"
#include "patcher/update.h"

/* Matches, places and links UPDATE for the guest. Room is taken from ARENA. PATCH_ERROR_DOES_NOT_FIT: not made for this
 * guest's kernel, or in conflict with an installed update. */
PatchPlan *patch_plan_apply(const IntroKernel *kernel, PatchArena *arena, const PatchUpdate *update, GError **error);

#endif
