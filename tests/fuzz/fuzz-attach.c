/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All of introspection on a real guest's memory, damaged: finding the kernel, its symbols, types and modules, and then
 * its tasks and their stacks.
 */
#include "introspect/sleeping.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/recorded.h"

#define MAX_STACKS 8

static void
look(const VmmReader *reader, const IntroKernel *undamaged)
{
    g_autoptr(IntroKernel) kernel = intro_kernel_attach(reader, NULL);
    g_autoptr(GPtrArray) tasks = kernel != NULL ? intro_tasks(kernel, NULL) : NULL;
    g_autoptr(GArray) holes = kernel != NULL ? intro_kernel_holes(kernel, NULL) : NULL;

    for (guint i = 0; tasks != NULL && i < MIN(tasks->len, MAX_STACKS); i++) {
        const IntroTask *task = tasks->pdata[i];
        g_autoptr(IntroStack) stack = task->stack != 0 ? intro_stack_of_task(kernel, task, NULL) : NULL;
    }
}

void
fuzz(const guint8 *data, gsize size)
{
    recorded_fuzz(look, data, size);
}
