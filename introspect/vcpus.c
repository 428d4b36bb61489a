/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/vcpus.h"

/* Since 6.2 the current task is the first member of pcpu_hot; before, and again since 6.15, a variable of its own. */
static gboolean
current_task_variable(const IntroKernel *kernel, const char **name, gsize *offset, GError **error)
{
    GuestVa va;

    if (intro_symbols_address(intro_kernel_symbols(kernel), "pcpu_hot", &va, NULL)) {
        *name = "pcpu_hot";
        return intro_btf_offset(intro_kernel_btf(kernel), "pcpu_hot", "current_task", offset, error);
    }
    *name = "current_task";
    *offset = 0;
    return TRUE;
}

gboolean
intro_vcpu_number(const IntroKernel *kernel, const VmmVcpu *vcpu, guint *cpu, GError **error)
{
    const char *name;
    GuestVa symbol, va;
    gsize offset;

    if (!current_task_variable(kernel, &name, &offset, error) ||
        !intro_symbols_address(intro_kernel_symbols(kernel), name, &symbol, error))
        return FALSE;
    for (guint i = 0; i < intro_kernel_n_cpus(kernel); i++) {
        if (!intro_kernel_percpu(kernel, i, name, &va, error))
            return FALSE;
        if (va - symbol == vcpu->gs_base || va - symbol == vcpu->kernel_gs_base) {
            *cpu = i;
            return TRUE;
        }
    }
    g_set_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND,
                "vCPU %u belongs to none of the guest kernel's CPUs (GS base %#" G_GINT64_MODIFIER "x)", vcpu->index,
                vcpu->gs_base);
    return FALSE;
}

gboolean
intro_cpu_current_task(const IntroKernel *kernel, guint cpu, GuestVa *task, GError **error)
{
    const char *name;
    GuestVa va;
    gsize offset;

    return current_task_variable(kernel, &name, &offset, error) &&
           intro_kernel_percpu(kernel, cpu, name, &va, error) &&
           intro_space_read_u64(intro_kernel_space(kernel), va + offset, task, error);
}
