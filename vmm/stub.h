/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's gdb stub, opened for us through the monitor on a socket of its own, and closed again.
 *
 * The guest stops when somebody connects, and stands still until we detach. The socket gets another name just before, so
 * what a process leaves that was killed tells how far it had come:
 *
 *     a stub of ours, and its socket has the first name        it has not been used: nothing was stopped by it
 *     a stub of ours, and its socket has the second name       a guest that is paused was stopped by it
 */
#ifndef VMM_STUB_H
#define VMM_STUB_H

#include <sys/types.h>

#include "vmm/guard.h"
#include "vmm/monitor.h"

/* What the second name has behind the first. */
#define VMM_STUB_ANNOUNCED "+"

typedef struct VmmStub VmmStub;

/*
 * Chooses the place for the socket: in DIRECTORY, where QEMU may make files, or, if that is NULL, in a new directory
 * that opening the stub makes and only OWNER, the user QEMU runs as, and root can enter: in /run, or where the
 * environment's VIRT_LIVEPATCH_RUN says. Errors: UNREACHABLE.
 */
VmmStub *vmm_stub_new(VmmMonitor *monitor, const char *directory, uid_t owner, GError **error);

/* Closes it if it is open, and removes the socket and the directory. */
void vmm_stub_free(VmmStub *stub);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmStub, vmm_stub_free)

/* How a guard would remove it. */
void vmm_stub_describe(const VmmStub *stub, VmmGuardOrder *order);

/* To be asked before anything that could close the stub. Errors: BUSY (somebody else uses it, or it was left), those of
 * the monitor. */
gboolean vmm_stub_check_unused(VmmMonitor *monitor, GError **error);

/* Makes QEMU listen. The guest goes on running. Errors: UNSUPPORTED, UNREACHABLE, those of the monitor. */
gboolean vmm_stub_open(VmmStub *stub, GError **error);

/* Gives its socket the second name. Errors: UNREACHABLE. */
gboolean vmm_stub_announce(VmmStub *stub, GError **error);

/* After that. Stops the guest. A file descriptor or -1. */
int vmm_stub_connect(VmmStub *stub, GError **error);

/* The stub that a process of ours opened, if it is open; NULL if not. *IS_ANNOUNCED: it may have stopped the guest.
 * *IS_CONNECTED: somebody uses it, or has gone just now. Errors: those of the monitor. */
VmmStub *vmm_stub_find(VmmMonitor *monitor, gboolean *is_announced, gboolean *is_connected, GError **error);

/* Frees STUB, and leaves it in QEMU as it is. */
void vmm_stub_leave(VmmStub *stub);

/* Says nothing if it fails: QEMU is gone then, or the next attempt finds the stub open and says so. */
void vmm_stub_close(VmmStub *stub);

#endif
