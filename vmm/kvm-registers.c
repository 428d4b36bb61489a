/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/kvm-registers.h"

#include <string.h>

/* In the local APIC's page: offset and fields of the entry for LINT1 (Intel SDM volume 3, "Local Vector Table"). */
#define APIC_LVT_LINT1 0x360
#define APIC_LVT_MASKED 0x10000
#define APIC_MODE_MASK 0x700
#define APIC_MODE_NMI 0x400

VmmKvmRegisters
vmm_kvm_registers(const struct kvm_regs *regs, const struct kvm_sregs *sregs, guint64 kernel_gs_base)
{
    return (VmmKvmRegisters) {
        .gpr = {
            [VMM_RAX] = regs->rax, [VMM_RBX] = regs->rbx, [VMM_RCX] = regs->rcx, [VMM_RDX] = regs->rdx,
            [VMM_RSI] = regs->rsi, [VMM_RDI] = regs->rdi, [VMM_RBP] = regs->rbp, [VMM_RSP] = regs->rsp,
            [VMM_R8] = regs->r8, [VMM_R9] = regs->r9, [VMM_R10] = regs->r10, [VMM_R11] = regs->r11,
            [VMM_R12] = regs->r12, [VMM_R13] = regs->r13, [VMM_R14] = regs->r14, [VMM_R15] = regs->r15,
        },
        .rip = regs->rip, .eflags = regs->rflags, .cs = sregs->cs.selector, .ss = sregs->ss.selector,
        .fs_base = sregs->fs.base, .gs_base = sregs->gs.base, .kernel_gs_base = kernel_gs_base, .cr0 = sregs->cr0,
        .cr3 = sregs->cr3, .cr4 = sregs->cr4, .efer = sregs->efer,
    };
}

VmmVcpu
vmm_kvm_registers_vcpu(const VmmKvmRegisters *registers, guint index)
{
    VmmVcpu vcpu = {
        .index = index, .rip = registers->rip, .eflags = registers->eflags, .cs = registers->cs, .ss = registers->ss,
        .fs_base = registers->fs_base, .gs_base = registers->gs_base, .kernel_gs_base = registers->kernel_gs_base,
        .cr0 = registers->cr0, .cr3 = registers->cr3, .cr4 = registers->cr4, .efer = registers->efer,
    };

    memcpy(vcpu.gpr, registers->gpr, sizeof vcpu.gpr);
    return vcpu;
}

gboolean
vmm_kvm_takes_nmi(const struct kvm_lapic_state *apic)
{
    guint32 lint1;

    memcpy(&lint1, apic->regs + APIC_LVT_LINT1, sizeof lint1);
    return (lint1 & (APIC_LVT_MASKED | APIC_MODE_MASK)) == APIC_MODE_NMI;
}
