/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is in the way on the CPUs of the paused guest: by the vCPUs' registers, or where these are not the kernel's, by all that ever
 * was on the stack of the task that runs there.
 */
#ifndef PATCHER_ON_CPUS_H
#define PATCHER_ON_CPUS_H

#include "patcher/blockers.h"
#include "patcher/task-table.h"

/* All borrowed. */
typedef struct {
    const IntroKernel *kernel;
    const PatchTaskTable *tasks;
    const PatchJudge *judge;
    GPtrArray *blockers;        /* of PatchBlocker: gets more */
    guint *n_looked_at;         /* counts stacks */
} PatchOnCpus;

/* COVERED gets those tasks (const IntroTask) of whose stacks nothing else has to be known. */
gboolean patch_on_cpus_look(const PatchOnCpus *look, const VmmVcpu *vcpus, guint n_vcpus, GHashTable *covered, GError **error);

#endif
