/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts a kernel into a new machine's memory and its vCPUs at the kernel's start.
 *
 * Sources: Documentation/arch/x86/boot.rst of Linux (64-bit boot protocol), Intel's MultiProcessor Specification 1.4.
 *
 * A bare-metal ELF file is entered by every vCPU in 64-bit mode, interrupts off, with the first 4 GiB mapped to
 * themselves, its number in RDI, the number of vCPUs in RSI, and no stack. It has to lie at 64 KiB or higher.
 */
#ifndef VMM_KVM_LOAD_H
#define VMM_KVM_LOAD_H

#include "vmm/kvm-vm.h"

typedef struct {
    const char *kernel;         /* file: bzImage, vmlinux, or a bare-metal ELF */
    gboolean is_bare;
    const char *initrd;         /* file; may be NULL */
    const char *command_line;
} VmmLoadOrder;

/* Errors: NOT_FOUND, UNSUPPORTED (another kind of file), USAGE (too large). */
gboolean vmm_load(VmmVm *vm, const VmmLoadOrder *order, GError **error);

#endif
