/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this process may still do once the machine has been reached: whoever takes it over through a hole in a parser of
 * guest bytes shall find little of use. To be entered before the first of those bytes is looked at.
 *
 * Never again allowed are new privileges (no_new_privs), running another program, ptrace, writing another process's
 * memory, and whatever changes the host's kernel, its name spaces or mounts: such a call ends the process. Anything else
 * that is not needed fails with EPERM.
 */
#ifndef VMM_SANDBOX_H
#define VMM_SANDBOX_H

#include <glib.h>

typedef enum {
    VMM_SANDBOX_NONE,   /* nothing is given up */
    /* No capabilities; nothing can be opened, connected or created. Memory is read through what is open already. */
    VMM_SANDBOX_LOOK,
    /* For pausing and writing: files and sockets too, and the capabilities to reach a QEMU of another user. */
    VMM_SANDBOX_CHANGE,
} VmmSandbox;

/* For all threads that there are and will be; to be called while there is one. A process can be in one sandbox only, and
 * entering one again does nothing. Errors: UNSUPPORTED. */
gboolean vmm_sandbox_enter(VmmSandbox sandbox, GError **error);

#endif
