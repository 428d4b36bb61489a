/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions that KVM reports as an emulation failure although the processor has them: where guest code is emulated by
 * the host, as in some virtual machines, KVM does not deliver software interrupts (`int3`, `int n`) in long mode, and does
 * not know `clac` and `stac`. Here they do what the processor would.
 *
 * Sources: Intel SDM volume 3, chapter 6 (interrupt handling in 64-bit mode).
 */
#ifndef VMM_KVM_FAULT_H
#define VMM_KVM_FAULT_H

#include "vmm/kvm-vm.h"

/* In the vCPU's own thread. FALSE if this is another instruction, or it cannot be delivered; *WHAT, to be freed, says
 * which and why. */
gboolean vmm_fault_complete(VmmVm *vm, int vcpu_fd, char **what);

#endif
