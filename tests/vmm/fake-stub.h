/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gdb stub that behaves like QEMU's, or misbehaves as it is told to.
 */
#ifndef TESTS_VMM_FAKE_STUB_H
#define TESTS_VMM_FAKE_STUB_H

#include <glib.h>

#define FAKE_STUB_MEMORY 65536
#define FAKE_STUB_PACKET 0x1000

typedef enum {
    FAKE_STUB_GOOD,
    FAKE_STUB_SAYS_STOPPED,     /* sends a stop notice nobody asked for, as QEMU 7.2 does */
    FAKE_STUB_VIRTUAL_ONLY,     /* does not know Qqemu.PhyMemMode */
    FAKE_STUB_WRITE_FAILS,
    FAKE_STUB_WRONG_CHECKSUM,
    FAKE_STUB_NOT_A_STUB,
    FAKE_STUB_HANGS_UP,         /* after the first packet */
    FAKE_STUB_SHORT_REGISTERS,
    FAKE_STUB_BAD_REGISTERS,
    FAKE_STUB_NO_RAX,
    FAKE_STUB_ENDLESS_DOCUMENT,
    FAKE_STUB_ENDLESS_THREADS,
    FAKE_STUB_REFUSES_DETACH,
    FAKE_STUB_DIES_IN_DETACH,
} FakeStubKind;

typedef struct {
    FakeStubKind kind;
    guint n_vcpus;
    guint8 memory[FAKE_STUB_MEMORY];
    const char *status;         /* what its monitor prints when asked for that; NULL: it has no monitor */

    /* What came of it; to be looked at when the thread is through. */
    gboolean physical;          /* as the mode was left */
    gboolean detached;
    guint n_documents;          /* requests for the description */
    guint n_after_detach;       /* bytes that would have stopped the guest again */
    guint n_writes;
} FakeStub;

/* What register NUMBER of a vCPU holds; they are numbered in the order rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8..r15,
 * rip, eflags, cs, ss. */
guint fake_stub_register(guint vcpu, guint number);

/* A FakePeerFunc; DATA is the FakeStub. Serves one connection. */
void fake_stub_serve(int fd, gpointer data);

#endif
