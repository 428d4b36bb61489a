/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/vcpus.h"

#include "introspect/stack-facts.h"

#define PF_VCPU         0x00000001      /* include/linux/sched.h; not in BTF */
#define TABLE_ADDRESS   0x000ffffffffff000ULL
#define CR3_USER_HALF   (1ULL << 12)    /* with page-table isolation */
#define LAST_ENTRY      (511 * sizeof(guint64))

gboolean
intro_vcpu_last_table(const IntroKernel *kernel, GuestPa root, GuestPa *table)
{
    guint64 entry;

    if (!vmm_read(intro_kernel_reader(kernel), guest_pa_add(root, LAST_ENTRY), &entry, sizeof entry, NULL))
        return FALSE;
    *table = guest_pa(GUINT64_FROM_LE(entry) & TABLE_ADDRESS);
    return (GUINT64_FROM_LE(entry) & 1) != 0;
}

/* Those of programs, where they are apart, lie behind others that have the kernel's part. */
gboolean
intro_vcpu_is_own(const IntroKernel *kernel, const VmmVcpu *vcpu)
{
    const IntroStackFacts *facts = intro_kernel_stack_facts(kernel, NULL);
    guint64 root = vcpu->cr3 & TABLE_ADDRESS;
    GuestPa table;

    if (facts == NULL || !(vcpu->cr0 & VMM_CR0_PG) || !(vcpu->efer & VMM_EFER_LMA))
        return FALSE;
    if (intro_vcpu_last_table(kernel, guest_pa(root), &table) && table.value == facts->last_table.value)
        return TRUE;
    return (root & CR3_USER_HALF) != 0 && intro_vcpu_last_table(kernel, guest_pa(root & ~CR3_USER_HALF), &table)
           && table.value == facts->last_table.value;
}

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

gboolean
intro_task_runs_guest(const IntroKernel *kernel, GuestVa task, gboolean *runs, GError **error)
{
    const IntroStackFacts *facts = intro_kernel_stack_facts(kernel, error);
    guint32 flags;

    if (facts == NULL || !intro_space_read_u32(intro_kernel_space(kernel), task + facts->task_flags, &flags, error))
        return FALSE;
    *runs = (flags & PF_VCPU) != 0;
    return TRUE;
}
