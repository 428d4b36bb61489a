/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/sleeping.h"

gboolean
intro_task_same_sleep(const IntroTask *one, const IntroTask *other)
{
    return !one->on_cpu && !other->on_cpu && one->pid == other->pid && one->switches == other->switches &&
           one->sp == other->sp;
}

gboolean
intro_stack_while_asleep(const IntroKernel *kernel, const IntroTask *task, IntroStack **stack, GError **error)
{
    g_autoptr(GError) unreadable = NULL;
    g_autoptr(IntroStack) unwound = task->on_cpu ? NULL : intro_stack_of_task(kernel, task, &unreadable);
    g_autoptr(IntroTask) again = task->on_cpu ? NULL : intro_task_read_briefly(kernel, task->task, NULL);

    *stack = NULL;
    if (!again || !intro_task_same_sleep(task, again))
        return TRUE;
    if (!unwound) {
        g_propagate_error(error, g_steal_pointer(&unreadable));
        return FALSE;
    }
    *stack = g_steal_pointer(&unwound);
    return TRUE;
}
