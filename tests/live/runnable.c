/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * runnable GUEST ROUNDS: stops a guest ROUNDS times, and prints the pid of each task that then waited for a CPU or was on
 * one, a round to a line; behind it, a + for each such task that the list of all tasks lacked.
 */
#include <stdio.h>
#include <stdlib.h>

#include "introspect/kernel.h"
#include "introspect/run-queues.h"
#include "introspect/tasks.h"

static gboolean
is_listed(const GPtrArray *tasks, GuestVa va)
{
    for (guint i = 0; i < tasks->len; i++)
        if (((const IntroTask *)tasks->pdata[i])->task == va)
            return TRUE;
    return FALSE;
}

static gboolean
print_round(const IntroKernel *kernel, const IntroRunQueues *queues, GError **error)
{
    g_autoptr(GArray) runnable = g_array_new(FALSE, FALSE, sizeof(GuestVa));
    g_autoptr(GPtrArray) tasks = intro_tasks_briefly(kernel, error);

    if (tasks == NULL || !intro_run_queues_read(queues, runnable, error))
        return FALSE;
    for (guint i = 0; i < runnable->len; i++) {
        GuestVa va = g_array_index(runnable, GuestVa, i);
        g_autoptr(IntroTask) task = intro_task_read_briefly(kernel, va, error);

        if (task == NULL)
            return FALSE;
        printf("%d%s ", task->pid, is_listed(tasks, va) ? "" : "+");
    }
    printf("\n");
    return TRUE;
}

static gboolean
run(const char *guest, int rounds, GError **error)
{
    g_autoptr(VmmMachine) machine = vmm_machine_open(guest, NULL, error);
    g_autoptr(IntroKernel) kernel = machine != NULL ? intro_kernel_attach(vmm_machine_reader(machine), error) : NULL;
    g_autoptr(IntroRunQueues) queues = kernel != NULL ? intro_run_queues_new(kernel, error) : NULL;

    for (int i = 0; queues != NULL && i < rounds; i++) {
        g_autoptr(VmmPause) pause = vmm_pause_begin(machine, error);

        if (pause == NULL || !print_round(kernel, queues, error))
            return FALSE;
    }
    return queues != NULL;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (argc != 3)
        return 2;
    if (!run(argv[1], atoi(argv[2]), &error)) {
        fprintf(stderr, "runnable: %s\n", error->message);
        return 1;
    }
    return 0;
}
