/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plan that takes an installed update out, and the look at whether everything installed is still what it was.
 */
#ifndef PATCHER_PLAN_UNDO_H
#define PATCHER_PLAN_UNDO_H

#include "patcher/plan.h"

/* Fits a record in any state, an interrupted apply or undo too. PATCH_ERROR_DOES_NOT_FIT: somebody else has changed a
 * jump since; undoing would destroy what they did. */
PatchPlan *patch_plan_undo(const IntroKernel *kernel, const PatchRecord *record, GError **error);

/* What differs from what was installed, a sentence each: of char *, to be unreffed; empty if all is well. */
GPtrArray *patch_verify_record(const IntroKernel *kernel, const PatchRecord *record);

#endif
