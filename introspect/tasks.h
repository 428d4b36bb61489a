/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's tasks: every thread of every process, kernel threads, and each CPU's idle task.
 */
#ifndef INTROSPECT_TASKS_H
#define INTROSPECT_TASKS_H

#include "introspect/kernel.h"

typedef struct {
    GuestVa task;           /* its struct task_struct */
    gint32 pid, tgid;       /* global; 0 for idle tasks */
    char *name;             /* as ps and /proc/PID/stat show it (workers with what they work on) */
    char state;             /* letter of /proc/PID/stat */
    guint cpu;              /* where it runs or ran last */
    gboolean on_cpu;        /* it is running at this moment */
    gboolean is_idle, is_kernel_thread;
    GuestVa stack;          /* lowest address of its kernel stack; 0 when it has none any more */
    guint64 stack_bytes;    /* size of that stack */
    GuestVa sp;             /* saved kernel stack pointer; means something when it is not on a CPU */
    guint64 switches;       /* voluntary and involuntary context switches so far: unchanged means it has not run */
} IntroTask;

void intro_task_free(IntroTask *task);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntroTask, intro_task_free)

/* All tasks in the order of ps, idle tasks last: of IntroTask, to be unreffed. The list of a running guest is walked
 * as it changes; one that does not end is INTRO_ERROR_CORRUPT. */
GPtrArray *intro_tasks(const IntroKernel *kernel, GError **error);

/* The same, quicker: names are those in the task_struct, without what a worker works on. */
GPtrArray *intro_tasks_briefly(const IntroKernel *kernel, GError **error);

/* THREAD_SIZE: the size of every task's kernel stack, in bytes. */
gboolean intro_task_stack_bytes(const IntroKernel *kernel, guint64 *stack_bytes, GError **error);

/* Reads one task again, from its task_struct; briefly, as above. */
IntroTask *intro_task_read(const IntroKernel *kernel, GuestVa task, GError **error);
IntroTask *intro_task_read_briefly(const IntroKernel *kernel, GuestVa task, GError **error);

#endif
