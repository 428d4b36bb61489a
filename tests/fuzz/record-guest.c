/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record-guest GUEST FILE: keeps what introspection reads of a running guest, for fuzzers to damage.
 */
#include <stdio.h>

#include "introspect/sleeping.h"
#include "tests/fuzz/guest-record.h"

static gboolean
look_at_all(const IntroKernel *kernel, const VmmVcpu *vcpus, guint n_vcpus, GError **error)
{
    g_autoptr(GPtrArray) tasks = intro_tasks(kernel, error);
    g_autoptr(GArray) holes = tasks != NULL ? intro_kernel_holes(kernel, error) : NULL;
    gboolean has;

    if (holes == NULL || !intro_kernel_has_cpu_feature(kernel, 0, &has, error))
        return FALSE;
    for (guint i = 0; i < tasks->len; i++) {
        const IntroTask *task = tasks->pdata[i];
        g_autoptr(IntroStack) stack = task->stack != 0 ? intro_stack_of_task(kernel, task, NULL) : NULL;
    }
    for (guint i = 0; i < n_vcpus; i++) {
        g_autoptr(IntroStack) stack = intro_stack_of_vcpu(kernel, &vcpus[i], error);

        if (stack == NULL)
            return FALSE;
    }
    return TRUE;
}

static gboolean
record_guest(const char *name, const char *path, GError **error)
{
    g_autoptr(VmmMachine) machine = vmm_machine_open(name, NULL, error);
    g_autoptr(VmmPause) pause = machine != NULL ? vmm_pause_begin(machine, error) : NULL;
    g_autoptr(GuestRecord) record = NULL;
    g_autoptr(IntroKernel) kernel = NULL;
    const VmmVcpu *vcpus;
    guint n_vcpus;

    if (pause == NULL)
        return FALSE;
    vcpus = vmm_pause_vcpus(pause, &n_vcpus);
    record = guest_record_new(vmm_machine_reader(machine), vcpus, n_vcpus);
    kernel = intro_kernel_attach(guest_record_reader(record), error);
    return kernel != NULL && look_at_all(kernel, vcpus, n_vcpus, error) && guest_record_save(record, path, error);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (argc != 3) {
        fprintf(stderr, "usage: record-guest GUEST FILE\n");
        return 2;
    }
    if (record_guest(argv[1], argv[2], &error))
        return 0;
    fprintf(stderr, "record-guest: %s\n", error->message);
    return 1;
}
