/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's gdb stub, opened for us through the monitor on a socket of its own, and closed again.
 */
#ifndef VMM_STUB_H
#define VMM_STUB_H

#include <sys/types.h>

#include "vmm/guard.h"
#include "vmm/monitor.h"

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

/* To be asked before anything that could close the stub. Errors: BUSY (somebody else uses it), those of the monitor. */
gboolean vmm_stub_check_unused(VmmMonitor *monitor, GError **error);

/* Makes QEMU listen. The guest goes on running. Errors: UNSUPPORTED, UNREACHABLE, those of the monitor. */
gboolean vmm_stub_open(VmmStub *stub, GError **error);

/* Stops the guest. A file descriptor or -1. */
int vmm_stub_connect(VmmStub *stub, GError **error);

/* Says nothing if it fails: QEMU is gone then, or the next attempt finds the stub open and says so. */
void vmm_stub_close(VmmStub *stub);

#endif
