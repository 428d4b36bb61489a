/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Executes a plan at a safe moment. With brief.h, which it uses, this is the only place that writes to a guest.
 *
 *     look (guest runs) --blocked--> wait, look again ... until the time is over: PATCH_ERROR_NOT_NOW
 *       | clear
 *     prepare: write what nothing uses yet, in short stops (brief.h); look again
 *       |
 *     pause, look again at what ran since --blocked--> resume, wait, look again ...
 *       | clear
 *     compare what is there with what the plan expects --differs--> resume: PATCH_ERROR_NOT_NOW
 *       | equal
 *     commit: write, read back --fails--> write back what was there, resume: PATCH_ERROR_FAILED
 *       |
 *     resume
 *       |
 *     clean: write what nothing uses any more, in short stops
 *
 * On every way out but the last one, what was prepared is taken back. All the while a last will (vmm_machine_set_will)
 * says what is to be written if this process dies: up to the end of the commit, what was there before; from then on,
 * what is left to clean. So the guest has all of an update or nothing of it, whatever dies.
 */
#ifndef PATCHER_COMMIT_H
#define PATCHER_COMMIT_H

#include "patcher/brief.h"
#include "patcher/guest.h"
#include "patcher/plan.h"

typedef struct {
    guint64 stood_ns;           /* how long the guest stood still, in the pause that counted */
    guint64 look_ns, write_ns;  /* of it, spent on stacks and on memory; the rest is stopping and starting */
    guint n_tasks_again;        /* stacks that had to be looked at in it */
    PatchPauses tries;          /* those that found a task, or the kernel, in the way */
    PatchPauses others;         /* those to prepare and to clean */
} PatchCommitReport;

/* TIMEOUT_S: seconds to try for. REPORT is added to. PATCH_ERROR_NOT_NOW names the tasks in the way, and where they are;
 * PATCH_ERROR_PASSING: another plan, made now, may do. */
gboolean patch_commit(const PatchGuest *guest, const PatchPlan *plan, double timeout_s, PatchCommitReport *report,
                      GError **error);

/* Makes a plan of what the guest is like now; DATA owns whatever the plan refers to, until the next call. */
typedef PatchPlan *(*PatchPlanner)(gpointer data, GError **error);

/* Plans and executes, and plans again as long as the guest's kernel is doing something that passes. The plan that was
 * executed is returned, to be freed; NULL on an error, as of the planner and of patch_commit. */
PatchPlan *patch_commit_planned(const PatchGuest *guest, PatchPlanner planner, gpointer data, double timeout_s,
                                PatchCommitReport *report, GError **error);

/* The same for what is done beside the change that is reported: all of the guest's stops are added to PAUSES. */
PatchPlan *patch_commit_aside(const PatchGuest *guest, PatchPlanner planner, gpointer data, double timeout_s,
                              PatchPauses *pauses, GError **error);

/* One look without a pause and without writing: whether now would be a safe moment. PATCH_ERROR_NOT_NOW as above. */
gboolean patch_commit_rehearse(const PatchGuest *guest, const PatchPlan *plan, GError **error);

#endif
