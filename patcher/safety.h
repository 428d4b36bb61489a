/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is any task or vCPU inside code that must not be in use, or is the kernel about to call it?
 *
 * A survey looks at every task's stack while the guest runs. The check during the pause then looks again only at tasks
 * that have run since, at new ones, and at the vCPUs.
 */
#ifndef PATCHER_SAFETY_H
#define PATCHER_SAFETY_H

#include "introspect/kernel.h"
#include "patcher/blockers.h"
#include "vmm/vcpu.h"

typedef struct PatchSurvey PatchSurvey;

/* Of what PLAN forbids, and of what may be about to be called; both are borrowed. Nothing is looked at yet. */
PatchSurvey *patch_survey_new(const IntroKernel *kernel, const PatchPlan *plan);
void patch_survey_free(PatchSurvey *survey);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchSurvey, patch_survey_free)

/*
 * Looks at all tasks that may have run since the last look. With VCPUS, the guest has to be paused and these are its
 * vCPUs, and what stands afterwards is true of this moment; without, running tasks are passed over, and what stands is
 * a first look.
 */
gboolean patch_survey_look(PatchSurvey *survey, const VmmVcpu *vcpus, guint n_vcpus, GError **error);

/*
 * Whether there are so many sleeping tasks that a pause would be spent on finding out which of them have run. Then these
 * three, after a look at the running guest, spare it that: the second one in a short pause of its own (introspect/task-watch.h).
 */
gboolean patch_survey_is_large(const PatchSurvey *survey);
gboolean patch_survey_narrow(PatchSurvey *survey, GError **error);
gboolean patch_survey_begin(PatchSurvey *survey, const VmmVcpu *vcpus, guint n_vcpus, GError **error);
gboolean patch_survey_confirm(PatchSurvey *survey, GError **error);

/* Reads, in the running guest, what a look in a pause that follows will read. Nothing comes of it, but that the kernel, if it
 * is held (intro_kernel_hold), knows then which page tables that takes. */
void patch_survey_rehearse(const PatchSurvey *survey);

/* Who is in the way, by pid: of PatchBlocker; owned by the survey, valid until the next look. */
GPtrArray *patch_survey_blockers(const PatchSurvey *survey);

/* How many stacks the last look unwound. */
guint patch_survey_n_looked_at(const PatchSurvey *survey);

#endif
