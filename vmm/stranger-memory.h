/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's memory in another program's process (stranger.h): where it lies there, and the way to it. */
#ifndef VMM_STRANGER_MEMORY_H
#define VMM_STRANGER_MEMORY_H

#include "vmm/host-kernel.h"
#include "vmm/kvm-protocol.h"

typedef struct VmmStrangerMemory VmmStrangerMemory;

/* What KERNEL, which has to outlive it, says of the machine whose struct kvm is at KVM, in process PID. Errors: UNSUPPORTED,
 * PROTOCOL, BUSY. */
VmmStrangerMemory *vmm_stranger_memory_new(pid_t pid, VmmHostKernel *kernel, guint64 kvm, GError **error);
void vmm_stranger_memory_free(VmmStrangerMemory *memory);

/* Of VmmKvmRegion, whose offsets are addresses in that process; it stays MEMORY's. */
const GArray *vmm_stranger_memory_regions(const VmmStrangerMemory *memory);

/* Looks again, while the process is stopped. BUSY: the map is another by now. */
gboolean vmm_stranger_memory_check(VmmStrangerMemory *memory, GError **error);

/* LENGTH bytes at guest-physical address PA, within one region. Errors: LOST, UNREACHABLE, and for writes BUSY: somebody logs
 * what the guest writes, for a migration, and would not see it. */
gboolean vmm_stranger_memory_read(const VmmStrangerMemory *memory, guint64 pa, void *buffer, gsize length, GError **error);
gboolean vmm_stranger_memory_write(const VmmStrangerMemory *memory, guint64 pa, const void *data, gsize length, GError **error);

#endif
