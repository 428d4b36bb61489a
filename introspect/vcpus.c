/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/vcpus.h"

#include "introspect/stack-facts.h"

static const IntroCpu *
find_base(GPtrArray *cpus, guint64 base)
{
    for (guint i = 0; i < cpus->len; i++) {
        const IntroCpu *cpu = g_ptr_array_index(cpus, i);

        if (cpu->base == base)
            return cpu;
    }
    return NULL;
}

/*
 * Each CPU has a GDT of its own, and no program can change where that is. Where it is not told, the per-CPU base does it:
 * it is in GS while the kernel runs, but for a few instructions of entry code, and else set aside. A program can put
 * another CPU's into the one that is its own at the moment, so the order matters.
 */
const IntroCpu *
intro_vcpu_find(GPtrArray *cpus, const VmmVcpu *vcpu)
{
    const IntroCpu *found = NULL;

    for (guint i = 0; vcpu->gdt_base != 0 && i < cpus->len; i++) {
        const IntroCpu *cpu = g_ptr_array_index(cpus, i);

        if (cpu->gdt == vcpu->gdt_base)
            return cpu;
    }
    if (!vmm_vcpu_in_user_mode(vcpu))
        found = find_base(cpus, vcpu->gs_base);
    return found != NULL ? found : find_base(cpus, vcpu->kernel_gs_base);
}

gboolean
intro_vcpu_number(const IntroKernel *kernel, const VmmVcpu *vcpu, guint *cpu, GError **error)
{
    const IntroStackFacts *facts = intro_kernel_stack_facts(kernel, error);
    const IntroCpu *found;

    if (facts == NULL)
        return FALSE;
    found = intro_vcpu_find(facts->cpus, vcpu);
    if (found != NULL) {
        *cpu = found->number;
        return TRUE;
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
