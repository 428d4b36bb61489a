/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes over the control socket of an embedded machine; docs/kvm-protocol.md is its specification. All numbers are
 * little-endian, as this runs on x86-64 only.
 */
#ifndef VMM_KVM_PROTOCOL_H
#define VMM_KVM_PROTOCOL_H

#include "vmm/vcpu.h"

#define VMM_KVM_VERSION 1
#define VMM_KVM_MAX_PACKET 65536
#define VMM_KVM_MAX_VCPUS 64
#define VMM_KVM_MAX_REGIONS 256
#define VMM_KVM_MAX_WILL_BYTES (64 << 20)

/* How long a pause may last before the machine goes on by itself. */
#define VMM_KVM_MAX_PAUSE_US (10 * G_USEC_PER_SEC)

typedef enum {
    VMM_KVM_HELLO = 1,
    VMM_KVM_STATE,
    VMM_KVM_PEEK,
    VMM_KVM_PAUSE,
    VMM_KVM_WRITE,
    VMM_KVM_RESUME,
    VMM_KVM_WILL_ADD,
    VMM_KVM_WILL_SET,
    VMM_KVM_CLAIM,
    VMM_KVM_INJECT_NMI,
} VmmKvmRequest;

typedef enum {
    VMM_KVM_OK,
    VMM_KVM_BUSY,           /* somebody else has paused it */
    VMM_KVM_REFUSED,        /* the request makes no sense, or not at this moment */
    VMM_KVM_BAD_ADDRESS,
    VMM_KVM_FAILED,
    VMM_KVM_ENDED,          /* the machine has ended */
} VmmKvmStatus;

/* The start of each packet, either way. */
typedef struct {
    guint32 request;        /* VmmKvmRequest; the answer's is the same */
    guint32 status;         /* of an answer; 0 in a request */
    guint64 value;
} VmmKvmHeader;

typedef struct {
    guint64 pa, length, offset;     /* bytes; the offset is that in the file */
} VmmKvmRegion;

typedef struct {
    guint32 n_vcpus, n_regions;
} VmmKvmHello;

typedef struct {
    guint64 gpr[VMM_N_GPR];         /* in the order of VmmGpr */
    guint64 rip, eflags, cs, ss, fs_base, gs_base, kernel_gs_base, cr0, cr3, cr4, efer;
} VmmKvmRegisters;

/* Before the bytes of each piece of a write. */
typedef struct {
    guint64 pa, length;
} VmmKvmPiece;

#endif
