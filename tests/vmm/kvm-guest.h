/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The embedded machine with bare-guest.S in it, run from the build directory.
 */
#ifndef TESTS_VMM_KVM_GUEST_H
#define TESTS_VMM_KVM_GUEST_H

#include <sys/types.h>

#include "vmm/machine.h"

#define KVM_GUEST_MAX_VCPUS 8

/* Guest-physical addresses; they are the virtual ones, too. */
typedef struct {
    guint64 answer;             /* the function; begins with a nop of five bytes */
    guint64 spare;              /* a page for new code */
    guint64 old_counts, new_counts, wrong_counts;   /* for each vCPU: answers 1, 2, others; */
    guint64 nmi_counts;         /* and NMIs */
} KvmGuestTable;

typedef struct {
    char *directory, *socket, *saved;
    char *address;              /* kvm:SOCKET, or pid:N: treated as a machine that knows nothing of us */
    pid_t pid;
    guint n_vcpus;
} KvmGuest;

/* NULL if this machine has no /dev/kvm; aborts if it has one and the guest does not start. All vCPUs run when this
 * returns. */
KvmGuest *kvm_guest_new(guint n_vcpus, gboolean is_stranger);
/* Ends it, if it has not ended, and returns its wait status; nothing of it may be left then. */
int kvm_guest_free(KvmGuest *guest);

/* Ends it so that it saves itself in guest->saved; and lets it go on from there. No connection outlives that. */
void kvm_guest_save(KvmGuest *guest);
void kvm_guest_restore(KvmGuest *guest);

/* A connection to it. */
VmmMachine *kvm_guest_open(const KvmGuest *guest);
KvmGuestTable kvm_guest_table(VmmMachine *machine);
/* Waits until each vCPU has added to its counter; FALSE if one does not within some seconds. */
gboolean kvm_guest_counts(const KvmGuest *guest, VmmMachine *machine, guint64 counts_pa);
/* The sum of all vCPUs' counters. */
guint64 kvm_guest_sum(const KvmGuest *guest, VmmMachine *machine, guint64 counts_pa);

/* The five bytes of a jump from FROM to TO. */
void kvm_guest_make_jump(guint8 bytes[5], guint64 from, guint64 to);

#endif
