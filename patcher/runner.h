/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running a function in a guest, in process context, where it may sleep, without anything in the guest that waits for it:
 *
 *     pause: an entry of ours is put into the kernel's list of NMI handlers, and an NMI is sent
 *       | the guest goes on; CPU 0 takes the NMI before anything else
 *     NMI handler       only claims it, and queues an irq_work, which is what an NMI may do
 *     interrupt         queues a work item
 *     kernel's worker   makes a kernel thread, and is free again
 *     thread            calls the function, stores its result, and ends
 *
 * The thread is why a function that faults or never comes back takes nothing with it that others need: a worker would
 * take its pool along. From outside, all that can be done is to look at the word that the thread writes: a guest's memory
 * gives no sign when it is written to. Afterwards everything is taken out, when it is seen that nobody is in it.
 *
 * What lies in the guest meanwhile has a record of its own, in state preparing (record.h), so recover takes out what a
 * tool that died has left. Left alone it does no harm: each CPU's first NMI is claimed, and no more.
 */
#ifndef PATCHER_RUNNER_H
#define PATCHER_RUNNER_H

#include "patcher/commit.h"
#include "patcher/guest.h"
#include "patcher/runner-object.h"

/*
 * Calls CALL->function and waits until it has returned RESULT. ID is the update that it is done for. The guest's stops are
 * added to PAUSES. PATCH_ERROR_NOT_NOW: it did not begin, or not return, in time; PATCH_ERROR_FAILED: it faulted;
 * PATCH_ERROR_DOES_NOT_FIT: nothing can be run in this guest. One that has begun and not returned is left to itself, with
 * its thread; recover takes the rest out when it has.
 */
gboolean patch_runner_call(const PatchGuest *guest, const char *id, const PatchCall *call, PatchPauses *pauses,
                           guint64 *result, GError **error);

/* Ends what RUNNER (a runner's record) still runs for a tool that is gone, where it can be ended: CALL says what that is.
 * FALSE if it goes on, or has not begun. */
gboolean patch_runner_stop(const PatchGuest *guest, const PatchRecord *runner, const PatchCall *call, PatchPauses *pauses);

/* The function that RUNNER runs; 0 if it cannot be read. */
GuestVa patch_runner_function(const IntroKernel *kernel, const PatchRecord *runner);

/* TRUE if RECORD is of what runs something, and not of an update. */
gboolean patch_record_is_runner(const PatchRecord *record);

/* For whoever takes RECORD, a runner's, out: adds to PLAN what it needs besides. PATCH_ERROR_NOT_NOW if it is on its way
 * to its thread. */
gboolean patch_runner_plan_removed(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record, GError **error);

#endif
