/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Functions of an update that the guest's kernel has been told to call later: timers, work items and the like must not be left
 * behind when the update's code goes.
 *
 * Nobody has been told of a function whose address the update's code and data do not hold; where there is no other, nothing is
 * looked for.
 */
#ifndef PATCHER_PENDING_H
#define PATCHER_PENDING_H

#include "introspect/callbacks.h"
#include "patcher/blockers.h"

/* RECORD's code is to go: adds to PLAN which of its functions may have been given away, and that nobody may be about to call
 * one of them. */
void patch_pending_plan(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record);

/* Adds what is to call one of FUNCTIONS (of PatchForbidden) to BLOCKERS, also if it fails. What holds for CALLBACKS' answer holds for this one.
 * PATCH_ERROR_PASSING: a CPU is at changing what there is to be called. */
gboolean patch_pending_look(const IntroCallbacks *callbacks, const GPtrArray *functions, GPtrArray *blockers, GError **error);

/* Adds what of the kernel's own variables, and of its modules', leads to code or data that PLAN takes out, in whatever list or table
 * that is. For a guest that runs: it takes long, and what comes to be there afterwards is not seen. */
gboolean patch_pending_look_at_variables(const IntroKernel *kernel, const PatchPlan *plan, GPtrArray *blockers, GError **error);

#endif
