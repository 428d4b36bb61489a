/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ending a function that runs in a guest (runner.h) and does not come back, where it is one that nobody else runs.
 *
 * Where its thread is cannot be changed from outside, but what it finds there can: the function's code becomes no-ops that
 * lead to patch_runner_end. There the thread goes, whether it went round in the function, or returns to it from something
 * that it waits for; and then it ends as any other does. It goes no further than that, with what it may hold, while it has
 * preemption or interrupts off.
 *
 * A function that can be ended has PATCH_RUNNER_PAD_BYTES of traps at its end, so that there is a place for the last jump
 * that no thread is in.
 */
#ifndef PATCHER_RUNNER_END_H
#define PATCHER_RUNNER_END_H

#include "patcher/plan.h"
#include "patcher/runner-object.h"

#define PATCH_RUNNER_PAD_BYTES 8

/* Those of OBJECT's hooks that nothing else in it refers to become functions that can be ended. */
void patch_runner_end_pad(PatchObject *object);

/* The code of CALL's function as it is now, to be unreffed; NULL if it cannot be ended. */
GBytes *patch_runner_end_code(const IntroKernel *kernel, const PatchCall *call);

/* Adds to PLAN what leads CALL, whose function is CODE, to the end in RUNNER, and what puts CODE back afterwards. */
gboolean patch_runner_end_plan(PatchPlan *plan, const IntroKernel *kernel, const PatchCall *call, GBytes *code,
                               const PatchRecord *runner, GError **error);
gboolean patch_runner_end_plan_restored(PatchPlan *plan, const IntroKernel *kernel, const PatchCall *call, GBytes *code,
                                        GError **error);

/* TRUE if CODE is what became of a function that was to be ended. */
gboolean patch_runner_end_is(const guint8 *code, gsize length);

#endif
