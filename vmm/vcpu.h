/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers of one x86-64 vCPU, as far as an unwinder and a page-table walk need them.
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include <glib.h>

/* The order of VmmVcpu.gpr. Instructions, DWARF and the gdb stub's 'g' packet each number the registers in a way of their own,
 * so code names them by these. */
typedef enum {
    VMM_RAX, VMM_RBX, VMM_RCX, VMM_RDX, VMM_RSI, VMM_RDI, VMM_RBP, VMM_RSP,
    VMM_R8, VMM_R9, VMM_R10, VMM_R11, VMM_R12, VMM_R13, VMM_R14, VMM_R15,
    VMM_N_GPR
} VmmGpr;

typedef struct {
    guint index;            /* as QEMU counts, from 0 */
    guint64 gpr[VMM_N_GPR];
    guint64 rip, eflags;
    guint32 cs, ss;
    guint64 fs_base, gs_base, kernel_gs_base;
    guint64 cr0, cr3, cr4, efer;
    guint64 gdt_base;       /* 0 where that is not told: by the gdb stub */
} VmmVcpu;

#define VMM_CR0_PG    (1ULL << 31)
#define VMM_CR4_LA57  (1ULL << 12)
#define VMM_CR4_VMXE  (1ULL << 13)
#define VMM_EFER_LMA  (1ULL << 10)
#define VMM_EFER_SVME (1ULL << 12)

/* TRUE if the vCPU runs at privilege level 3. */
static inline gboolean
vmm_vcpu_in_user_mode(const VmmVcpu *vcpu)
{
    return (vcpu->cs & 3) == 3;
}

#endif
