/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An embedded machine in a file: saved when it is ended, and restored as if it had only been paused. The file is a memory
 * image as core-file.h reads it, so that a guest can be looked at and patched in it (core:FILE, saved:FILE); what else the
 * machine consists of is in notes of owner "VLP-KVM": one of the machine, and one of each vCPU, as KVM's structures. It can
 * be restored on a host whose processor and KVM have all that the guest was shown.
 *
 * Sources: Documentation/virt/kvm/api.rst of Linux.
 */
#ifndef VMM_KVM_STATE_H
#define VMM_KVM_STATE_H

#include "vmm/kvm-serial.h"
#include "vmm/kvm-vm.h"

typedef struct VmmState VmmState;

/* Pauses the machine for good, and writes all of it to the new file PATH. WITHOUT is what VmmVmSetup had. Errors: UNREACHABLE, UNSUPPORTED, LOST. */
gboolean vmm_state_save(VmmVm *vm, VmmSerial *serial, const char *without, const char *path, GError **error);

/* Opens PATH, for nobody else to change. Errors: those of vmm_core_file_new, BUSY, NOT_FOUND. */
VmmState *vmm_state_open(const char *path, GError **error);
void vmm_state_free(VmmState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmState, vmm_state_free)

/* What a machine has to be made like; owned by STATE. Sets the number of vCPUs, the memory, and what CPUID leaves out. */
void vmm_state_describe(const VmmState *state, VmmVmSetup *setup);

/* Makes the new machine VM, which has not been started, what was saved. Errors: UNSUPPORTED, LOST. */
gboolean vmm_state_load(const VmmState *state, VmmVm *vm, VmmSerial *serial, GError **error);

#endif
