/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtual machine on the KVM API: memory in one memfd, vCPUs in a thread each, an interrupt controller and timer in
 * the kernel. No firmware, no PCI, no disk.
 *
 * Sources: Documentation/virt/kvm/api.rst of Linux.
 */
#ifndef VMM_KVM_VM_H
#define VMM_KVM_VM_H

#include <linux/kvm.h>

#include "vmm/kvm-control.h"
#include "vmm/kvm-protocol.h"
#include "vmm/machine.h"

/* Between these guest-physical addresses are interrupt controllers and no memory. */
#define VMM_VM_GAP_START (3ULL << 30)
#define VMM_VM_GAP_END   (4ULL << 30)

typedef struct VmmVm VmmVm;

/* What the machine asks of its devices, in a vCPU's thread. Reads fill DATA; what nobody knows reads as all ones. */
typedef void (*VmmVmPort)(gpointer devices, guint16 port, gboolean is_write, guint8 *data, guint bytes);

typedef struct {
    guint n_vcpus;
    guint64 memory_bytes;           /* a multiple of 2 MiB */
    const char *without;            /* features that CPUID is not to show, by comma; may be NULL */
    VmmVmPort port;
    gpointer devices;
} VmmVmSetup;

/* Makes it; nothing runs yet. Errors: UNREACHABLE (no KVM), USAGE, UNSUPPORTED. */
VmmVm *vmm_vm_new(const VmmVmSetup *setup, GError **error);

/* Ends the vCPUs' threads first. */
void vmm_vm_free(VmmVm *vm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmVm, vmm_vm_free)

guint vmm_vm_n_vcpus(const VmmVm *vm);
guint64 vmm_vm_memory_bytes(const VmmVm *vm);

/* One or two regions, ascending, owned by the machine; returns how many. */
guint vmm_vm_regions(const VmmVm *vm, const VmmKvmRegion **regions);

/* Memory as this process sees it: LENGTH bytes from PA on, or NULL. */
guint8 *vmm_vm_bytes(VmmVm *vm, guint64 pa, guint64 length);

/* Before it is started. A vCPU that is not set up waits for another one to wake it. */
gboolean vmm_vm_set_up_vcpu(VmmVm *vm, guint index, const struct kvm_regs *regs, const struct kvm_sregs *sregs,
                            GError **error);
gboolean vmm_vm_get_sregs(VmmVm *vm, guint index, struct kvm_sregs *sregs, GError **error);

void vmm_vm_start(VmmVm *vm);

/* For saving and restoring what only KVM has; owned by the machine. Its vCPUs have to be stopped, or not started yet. */
int vmm_vm_kvm_fd(const VmmVm *vm);
int vmm_vm_fd(const VmmVm *vm);
int vmm_vm_vcpu_fd(const VmmVm *vm, guint index);

/* Stops all vCPUs for good. REGISTERS has room for all of them. Errors: UNREACHABLE, LOST. */
gboolean vmm_vm_stop(VmmVm *vm, VmmVcpu *registers, GError **error);

/* Drives an interrupt line of the controllers. From any thread. */
void vmm_vm_set_irq(VmmVm *vm, guint irq, gboolean level);

/* From any thread; the first reason counts. REASON NULL: it has ended as it should. */
void vmm_vm_end(VmmVm *vm, const char *reason);

/* Readable when the machine has ended. */
int vmm_vm_end_fd(const VmmVm *vm);
/* Why, or NULL if it ended as it should; owned by the machine. */
const char *vmm_vm_end_reason(const VmmVm *vm);

/* KVM cannot do WHAT, for the reason that errno says. Returns FALSE. */
gboolean vmm_vm_set_kvm_error(const char *what, GError **error);

/* What a control socket needs to know of it, which is used from one thread only. Pausing may fail with UNREACHABLE (a
 * vCPU does not stop; all run on) and LOST (the machine has ended). */
gboolean vmm_vm_describe(VmmVm *vm, VmmControlled *machine, GError **error);

#endif
