/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of docs/kvm-protocol.md as a machine's backend, whoever serves it.
 */
#ifndef VMM_KVM_H
#define VMM_KVM_H

#include "vmm/backend.h"
#include "vmm/memory.h"

typedef struct {
    const char *name;       /* copied */
    /* Of the process in which the regions' offsets are addresses; NULL if the server hands out a file. */
    VmmHostMemory *memory;
    pid_t server;           /* a helper of ours (helper.h) to be waited for; 0 if it is none */
} VmmKvmPeer;

/* Takes over the connected socket FD and, also if it fails, PEER's memory and server. Errors: those of vmm_kvm_open but
 * NOT_FOUND. */
gboolean vmm_kvm_adopt(int fd, const VmmKvmPeer *peer, VmmBackendInstance *instance, GError **error);

#endif
