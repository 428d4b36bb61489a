/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What KVM knows of a machine and tells by none of its ioctls: where in its process guest memory lies, and which thread
 * ran which vCPU last. Read in the host's kernel (host-kernel.h).
 *
 * Source: include/linux/kvm_host.h of Linux 5.17 and later, where the slots are in a hash table.
 */
#ifndef VMM_KVM_SLOTS_H
#define VMM_KVM_SLOTS_H

#include "vmm/host-kernel.h"
#include "vmm/memory.h"

typedef struct {
    VmmHostRegion region;
    guint32 flags;              /* KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY, KVM_MEM_GUEST_MEMFD */
} VmmSlot;

/* All slots of the machine whose struct kvm is at KVM, ascending; to be unreferenced. Errors: UNSUPPORTED, PROTOCOL,
 * BUSY (they were being changed). */
GArray *vmm_slots_read(VmmHostKernel *kernel, guint64 kvm, GError **error);

typedef struct {
    guint id;                   /* as its file is named */
    pid_t tid;                  /* the thread that ran it last, as the host counts; 0 if none ever did */
} VmmSlotVcpu;

/* The vCPUs, in the order in which they were made; of VmmSlotVcpu, to be unreferenced. Errors: UNSUPPORTED. */
GArray *vmm_slots_read_vcpus(VmmHostKernel *kernel, guint64 kvm, GError **error);

#endif
