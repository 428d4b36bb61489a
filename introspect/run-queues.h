/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tasks that want to run, as the scheduler has them. The list of all tasks (tasks.h) lacks those that are about to end: the
 * kernel takes a task out while it still has some functions to go through, in which it can be preempted.
 *
 * Source of the knowledge: kernel/sched/sched.h, fair.c, rt.c and ext.c of Linux, do_exit() of kernel/exit.c. Tasks with
 * deadlines are in a tree, which is not looked through.
 */
#ifndef INTROSPECT_RUN_QUEUES_H
#define INTROSPECT_RUN_QUEUES_H

#include "introspect/kernel.h"

typedef struct IntroRunQueues IntroRunQueues;

/* Finds each CPU's queue. KERNEL is borrowed. */
IntroRunQueues *intro_run_queues_new(const IntroKernel *kernel, GError **error);
void intro_run_queues_free(IntroRunQueues *queues);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntroRunQueues, intro_run_queues_free)

/* Appends to TASKS (of GuestVa: of each struct task_struct) those that wait for a CPU, or are on one. The guest has to be
 * paused. INTRO_ERROR_CORRUPT. */
gboolean intro_run_queues_read(const IntroRunQueues *queues, GArray *tasks, GError **error);

#endif
