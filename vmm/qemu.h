/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine of QEMU, whichever way its monitor is reached: reads from the process's memory, pause and writes through
 * its gdb stub.
 */
#ifndef VMM_QEMU_H
#define VMM_QEMU_H

#include <sys/types.h>

#include "vmm/backend.h"
#include "vmm/guard.h"
#include "vmm/monitor.h"

typedef struct {
    VmmMonitor *monitor;            /* taken over */
    VmmGuard *guard;                /* taken over */
    pid_t pid;                      /* of the QEMU process */
    const char *stub_directory;     /* where QEMU may make its socket; NULL: in one made for it */
    const char *name;               /* for people */
    const char *identity;           /* for the guard, see VmmGuardOrder.machine; may be NULL */
} VmmQemuParts;

/* What is taken over is freed whether this succeeds or not. */
gboolean vmm_qemu_open(const VmmQemuParts *parts, VmmBackendInstance *instance, GError **error);

#endif
