/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * percpu-places GUEST: where in guest-physical memory each CPU has its room for notes of a crash, in the words of the kernel's
 * own /sys/devices/system/cpu/cpuN/crash_notes. That is in per-CPU memory, and found through a pointer to such.
 */
#include <stdio.h>

#include "introspect/kernel.h"

static gboolean
print_place(const IntroKernel *kernel, guint cpu, GuestVa notes, GError **error)
{
    IntroMapping mapping;
    guint64 offset;

    /* There are gaps in the numbers of possible CPUs. */
    if (!intro_kernel_percpu_offset(kernel, cpu, &offset, NULL))
        return TRUE;
    if (!intro_space_translate(intro_kernel_space(kernel), notes + offset, &mapping, error))
        return FALSE;
    printf("cpu%u %" G_GINT64_MODIFIER "x\n", cpu, mapping.pa.value);
    return TRUE;
}

static gboolean
print_places(const char *name, GError **error)
{
    g_autoptr(VmmMachine) machine = vmm_machine_open(name, NULL, error);
    g_autoptr(IntroKernel) kernel = machine != NULL ? intro_kernel_attach(vmm_machine_reader(machine), error) : NULL;
    GuestVa pointer, notes;

    if (kernel == NULL || !intro_symbols_address(intro_kernel_symbols(kernel), "crash_notes", &pointer, error)
        || !intro_space_read_u64(intro_kernel_space(kernel), pointer, &notes, error))
        return FALSE;
    for (guint cpu = 0; cpu < intro_kernel_n_cpus(kernel); cpu++)
        if (!print_place(kernel, cpu, notes, error))
            return FALSE;
    return TRUE;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (argc != 2) {
        fprintf(stderr, "usage: percpu-places GUEST\n");
        return 2;
    }
    if (print_places(argv[1], &error))
        return 0;
    fprintf(stderr, "percpu-places: %s\n", error->message);
    return 1;
}
