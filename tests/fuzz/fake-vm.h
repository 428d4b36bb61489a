/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtual machine (vmm/kvm-vm.h) that is nothing but memory from 0 on: what its control socket needs of one.
 */
#ifndef TESTS_FUZZ_FAKE_VM_H
#define TESTS_FUZZ_FAKE_VM_H

#include "vmm/kvm-vm.h"

#define FAKE_VM_BYTES (64 << 10)

VmmVm *fake_vm_new(void);
gboolean fake_vm_is_paused(const VmmVm *vm);

#endif
