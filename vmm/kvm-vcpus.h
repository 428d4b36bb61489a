/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vCPUs of a machine on the KVM API, in a thread each: what each leaves the guest for is done in its thread; they are
 * stopped and asked for their registers together or one at a time.
 *
 * Sources: Documentation/virt/kvm/api.rst of Linux.
 */
#ifndef VMM_KVM_VCPUS_H
#define VMM_KVM_VCPUS_H

#include "vmm/kvm-vm.h"

typedef struct VmmVcpus VmmVcpus;

/* Makes those that SETUP asks for in the machine of VM_FD; nothing runs yet. KVM_FD and VM, which stays the caller's, have to
 * outlive them. Errors: UNSUPPORTED. */
VmmVcpus *vmm_vcpus_new(VmmVm *vm, int kvm_fd, int vm_fd, const VmmVmSetup *setup, GError **error);

/* Ends their threads first. */
void vmm_vcpus_free(VmmVcpus *vcpus);

guint vmm_vcpus_n(const VmmVcpus *vcpus);

/* KVM's descriptor of it; stays theirs. */
int vmm_vcpus_fd(const VmmVcpus *vcpus, guint index);

void vmm_vcpus_start(VmmVcpus *vcpus);

/* All of them out of the guest until vmm_vcpus_resume(); REGISTERS has room for each. If it fails, all run on. Errors: UNREACHABLE
 * (one does not stop), LOST (the machine has ended). */
gboolean vmm_vcpus_pause(VmmVcpus *vcpus, VmmKvmRegisters *registers, GError **error);
void vmm_vcpus_resume(VmmVcpus *vcpus);

/* One of them out of the guest for a moment. Errors: as above. */
gboolean vmm_vcpus_peek(VmmVcpus *vcpus, guint index, VmmKvmRegisters *registers, GError **error);

/* Each takes an NMI before it runs on from the pause. */
void vmm_vcpus_send_nmi(VmmVcpus *vcpus);

/* See the machine's functions of these names. */
void vmm_vcpus_end(VmmVcpus *vcpus, const char *reason);
int vmm_vcpus_end_fd(const VmmVcpus *vcpus);
const char *vmm_vcpus_end_reason(const VmmVcpus *vcpus);

#endif
