/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stack of a task in a running guest, read so that it is known to be of one moment.
 */
#ifndef INTROSPECT_SLEEPING_H
#define INTROSPECT_SLEEPING_H

#include "introspect/stack.h"
#include "introspect/tasks.h"

/* TRUE if ONE and OTHER, read from the same task_struct, are of one sleep: the task has not run between the two. */
gboolean intro_task_same_sleep(const IntroTask *one, const IntroTask *other);

/*
 * Unwinds TASK's stack and then looks whether the task slept all the while since TASK was read. If it did not, or is
 * running, *STACK is NULL, and that is no error.
 */
gboolean intro_stack_while_asleep(const IntroKernel *kernel, const IntroTask *task, IntroStack **stack, GError **error);

#endif
