/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stacks of tasks and vCPUs, with the unwind tables and what is known of each CPU, in a real guest's damaged memory.
 */
#include "introspect/sleeping.h"
#include "introspect/stack-facts.h"
#include "introspect/vcpus.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/recorded.h"

#define MAX_TASKS 16

/* The tasks whose stacks are looked at, found while nothing was damaged. */
static GPtrArray *tasks;

static void
look_at_vcpu(const VmmReader *reader, const IntroKernel *kernel, guint index)
{
    g_autoptr(IntroStack) stack = NULL;
    GuestVa task;
    VmmVcpu vcpu;
    guint cpu;

    if (!vmm_reader_peek_vcpu(reader, index, &vcpu, NULL))
        return;
    if (intro_vcpu_number(kernel, &vcpu, &cpu, NULL))
        intro_cpu_current_task(kernel, cpu, &task, NULL);
    stack = intro_stack_of_vcpu(kernel, &vcpu, NULL);
}

static void
look(const VmmReader *reader, const IntroKernel *kernel)
{
    g_autoptr(IntroStackFacts) facts = intro_stack_facts_new(kernel, NULL);

    if (tasks == NULL)
        tasks = intro_tasks(kernel, NULL);
    for (guint i = 0; i < MIN(tasks->len, MAX_TASKS); i++) {
        const IntroTask *before = tasks->pdata[i];
        g_autoptr(IntroTask) task = intro_task_read(kernel, before->task, NULL);
        g_autoptr(IntroStack) stack = NULL;

        if (task != NULL && task->stack != 0)
            intro_stack_while_asleep(kernel, task, &stack, NULL);
    }
    for (guint i = 0; i < vmm_reader_n_vcpus(reader); i++)
        look_at_vcpu(reader, kernel, i);
}

void
fuzz(const guint8 *data, gsize size)
{
    recorded_fuzz(look, data, size);
}
