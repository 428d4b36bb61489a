/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What KVM tells of a vCPU, in the form of the control socket's protocol.
 */
#ifndef VMM_KVM_REGISTERS_H
#define VMM_KVM_REGISTERS_H

#include <linux/kvm.h>

#include "vmm/kvm-protocol.h"

/* The register that KVM_GET_MSRS has to be asked for. */
#define VMM_MSR_KERNEL_GS_BASE 0xc0000102

VmmKvmRegisters vmm_kvm_registers(const struct kvm_regs *regs, const struct kvm_sregs *sregs, guint64 kernel_gs_base);

/* The same in the form that is used outside of the protocol; INDEX is the vCPU's. */
VmmVcpu vmm_kvm_registers_vcpu(const VmmKvmRegisters *registers, guint index);

/* Whether an NMI on the board's line gets through to a vCPU: LINT1 of each local APIC is wired to it. See KVM_NMI in
 * Documentation/virt/kvm/api.rst of Linux. */
gboolean vmm_kvm_takes_nmi(const struct kvm_lapic_state *apic);

#endif
