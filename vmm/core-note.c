/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/core-note.h"

#define CR0_PG (1ULL << 31)
#define CR4_PAE (1ULL << 5)

VmmQemuNote
vmm_qemu_note(const VmmVcpu *vcpu)
{
    const guint64 *gpr = vcpu->gpr;

    return (VmmQemuNote) {
        .version = VMM_QEMU_NOTE_VERSION, .size = sizeof(VmmQemuNote), .rax = gpr[VMM_RAX], .rbx = gpr[VMM_RBX],
        .rcx = gpr[VMM_RCX], .rdx = gpr[VMM_RDX], .rsi = gpr[VMM_RSI], .rdi = gpr[VMM_RDI], .rsp = gpr[VMM_RSP],
        .rbp = gpr[VMM_RBP],
        .r = {
            gpr[VMM_R8], gpr[VMM_R9], gpr[VMM_R10], gpr[VMM_R11], gpr[VMM_R12], gpr[VMM_R13], gpr[VMM_R14],
            gpr[VMM_R15],
        },
        .rip = vcpu->rip, .rflags = vcpu->eflags, .cs.selector = vcpu->cs, .ss.selector = vcpu->ss,
        .fs.base = vcpu->fs_base, .gs.base = vcpu->gs_base, .gdt.base = vcpu->gdt_base,
        .cr = { vcpu->cr0, 0, 0, vcpu->cr3, vcpu->cr4 }, .kernel_gs_base = vcpu->kernel_gs_base,
    };
}

VmmVcpu
vmm_qemu_note_vcpu(const VmmQemuNote *note)
{
    return (VmmVcpu) {
        .gpr = {
            [VMM_RAX] = note->rax, [VMM_RBX] = note->rbx, [VMM_RCX] = note->rcx, [VMM_RDX] = note->rdx,
            [VMM_RSI] = note->rsi, [VMM_RDI] = note->rdi, [VMM_RBP] = note->rbp, [VMM_RSP] = note->rsp,
            [VMM_R8] = note->r[0], [VMM_R9] = note->r[1], [VMM_R10] = note->r[2], [VMM_R11] = note->r[3],
            [VMM_R12] = note->r[4], [VMM_R13] = note->r[5], [VMM_R14] = note->r[6], [VMM_R15] = note->r[7],
        },
        .rip = note->rip, .eflags = note->rflags, .cs = note->cs.selector, .ss = note->ss.selector,
        .fs_base = note->fs.base, .gs_base = note->gs.base, .kernel_gs_base = note->kernel_gs_base,
        .cr0 = note->cr[0], .cr3 = note->cr[3], .cr4 = note->cr[4],
        .efer = (note->cr[0] & CR0_PG) != 0 && (note->cr[4] & CR4_PAE) != 0 ? VMM_EFER_LMA : 0,
    };
}
