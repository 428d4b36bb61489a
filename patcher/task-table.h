/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's tasks, each at an index of its own, found by where they are.
 */
#ifndef PATCHER_TASK_TABLE_H
#define PATCHER_TASK_TABLE_H

#include "introspect/tasks.h"
#include "vmm/vcpu.h"

typedef struct PatchTaskTable PatchTaskTable;

/* Empty. KERNEL is borrowed. */
PatchTaskTable *patch_task_table_new(const IntroKernel *kernel);
void patch_task_table_free(PatchTaskTable *table);

/* Forgets all that it has and lists the guest's tasks; briefly, as intro_tasks_briefly does. */
gboolean patch_task_table_list(PatchTaskTable *table, gboolean briefly, GError **error);

guint patch_task_table_n(const PatchTaskTable *table);
/* Owned by the table, until it is read again. */
const IntroTask *patch_task_table_at(const PatchTaskTable *table, guint index);
gboolean patch_task_table_find(const PatchTaskTable *table, GuestVa task, guint *index);

/* Reads the task again; it keeps its name. FALSE if it is not what it was: it has ended. */
gboolean patch_task_table_read_again(PatchTaskTable *table, guint index);

/* Adds the task at TASK, which is in no list of the kernel's. */
gboolean patch_task_table_add(PatchTaskTable *table, GuestVa task, guint *index, GError **error);

/*
 * The task whose stack the registers of a vCPU, of the paused guest, stand for: the one whose stack it is on; or, in user mode
 * and on the stacks of interrupts, the current one. A task being switched away from is neither, and its saved stack pointer is
 * good. NULL if there is none, or the registers are not the kernel's (intro_vcpu_is_own()).
 */
const IntroTask *patch_task_table_of_vcpu(const PatchTaskTable *table, const VmmVcpu *vcpu);

#endif
