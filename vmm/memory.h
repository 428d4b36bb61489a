/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory as it lies in the process that runs the guest, read through /proc/PID/mem and, many pieces at once, with
 * process_vm_readv as long as that is permitted.
 */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include <sys/types.h>

#include "vmm/machine.h"

typedef struct {
    VmmRange range;
    guint64 hva;            /* of the range's first byte, in that process */
} VmmHostRegion;

typedef struct VmmHostMemory VmmHostMemory;

/* Holds on to the process PID, so that another one that gets its number later is never taken for it. Errors: LOST. */
VmmHostMemory *vmm_host_memory_new(pid_t pid, GError **error);
void vmm_host_memory_free(VmmHostMemory *memory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmHostMemory, vmm_host_memory_free)

pid_t vmm_host_memory_pid(const VmmHostMemory *memory);

/* /proc/PID, opened; owned by MEMORY. Whoever has it, too, holds a claim as well. */
int vmm_host_memory_process_fd(const VmmHostMemory *memory);

/* Errors: LOST (the process has ended). */
gboolean vmm_host_memory_is_there(const VmmHostMemory *memory, GError **error);

/* The user the process acts as on files. Errors: LOST. */
gboolean vmm_host_memory_owner(const VmmHostMemory *memory, uid_t *uid, GError **error);

/* To be the only holder that has claimed it. Errors: BUSY. */
gboolean vmm_host_memory_claim(VmmHostMemory *memory, GError **error);

/* Regions are added in ascending order; one that continues the one before in both address spaces becomes part of it.
 * Reads the first and the last byte, to see that this is the right process and may be read. */
gboolean vmm_host_memory_add(VmmHostMemory *memory, const VmmHostRegion *region, GError **error);

/* What has been added, as VmmRange; to be unreferenced. */
GArray *vmm_host_memory_ranges(const VmmHostMemory *memory);

/* Errors: LOST (the process has ended), UNREACHABLE (may not be read), BAD_ADDRESS. */
gboolean vmm_host_memory_read(VmmHostMemory *memory, const VmmExtent *extents, gsize n_extents, GError **error);

#endif
