/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/vcpus.h"

#include "introspect/stack-facts.h"

gboolean
intro_vcpu_number(const IntroKernel *kernel, const VmmVcpu *vcpu, guint *cpu, GError **error)
{
    const IntroStackFacts *facts = intro_kernel_stack_facts(kernel, error);

    if (facts == NULL)
        return FALSE;
    for (guint i = 0; i < facts->cpus->len; i++) {
        const IntroCpu *candidate = g_ptr_array_index(facts->cpus, i);

        if (candidate->base == vcpu->gs_base || candidate->base == vcpu->kernel_gs_base) {
            *cpu = candidate->number;
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
    const IntroStackFacts *facts = intro_kernel_stack_facts(kernel, error);
    const IntroCpu *found = facts != NULL ? intro_stack_facts_cpu(facts, cpu) : NULL;

    if (found != NULL)
        return intro_space_read_u64(intro_kernel_space(kernel), found->current_task, task, error);
    if (facts != NULL)
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND, "the guest's kernel has no CPU %u", cpu);
    return FALSE;
}
