/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client's end of a connection of docs/kvm-protocol.md: one request after the other, each with its answer.
 */
#ifndef VMM_KVM_LINK_H
#define VMM_KVM_LINK_H

#include "vmm/kvm-protocol.h"
#include "vmm/kvm.h"

typedef struct {
    int fd;
    const VmmKvmPeer *peer;     /* borrowed */
    gboolean is_broken;         /* an answer is missing, and what comes next would be taken for it */
    guint8 answer[VMM_KVM_MAX_PACKET];
    gsize answer_bytes;         /* without the header */
} VmmKvmLink;

/* Takes over the connected socket FD. */
void vmm_kvm_link_init(VmmKvmLink *link, int fd, const VmmKvmPeer *peer);
void vmm_kvm_link_clear(VmmKvmLink *link);

/* The machine sees this, and does what it does for a client that has died: it executes its will. */
void vmm_kvm_link_hang_up(VmmKvmLink *link);

/* Sends a request with LENGTH bytes of PAYLOAD and waits for its answer, which is in LINK then. VALUE (may be NULL) goes and
 * comes; PASSED_FD (may be NULL) is a descriptor that came with it, for the caller to close. Errors: what the answer says;
 * VMM_ERROR_LOST, UNREACHABLE or PROTOCOL, after which the link is of no more use. */
gboolean vmm_kvm_exchange(VmmKvmLink *link, guint32 request, guint64 *value, const void *payload, gsize length,
                          int *passed_fd, GError **error);

/* Sends CHUNKS in as few packets of REQUEST as there can be. */
gboolean vmm_kvm_send_chunks(VmmKvmLink *link, guint32 request, const VmmChunk *chunks, gsize n_chunks, GError **error);

/* The memory of a machine that has ended is still there to be read, but is nobody's. VMM_ERROR_LOST. */
gboolean vmm_kvm_link_check(VmmKvmLink *link, GError **error);

/* For an answer that makes no sense: hangs up, sets VMM_ERROR_PROTOCOL and returns FALSE. */
gboolean vmm_kvm_link_refuse_answer(VmmKvmLink *link, GError **error);

#endif
