/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small process that resumes the guest if ours dies during a pause, by whatever signal: QEMU does not do so when a
 * gdb client vanishes.
 *
 * It is forked while little is going on yet, so that neither the fork nor the copying of pages after it ever falls into
 * a pause. It then waits at the end of a socket, and acts when that is closed while it is armed.
 */
#ifndef VMM_GUARD_H
#define VMM_GUARD_H

#include <glib.h>

/* What the guard has to put right after our death. */
typedef struct {
    char machine[64];           /* which one it is, for a rescue that has to look for it; may be "" */
    char chardev[32];           /* a character device to remove; if "", it is the gdb stub that is to be closed */
    char socket_path[108];      /* of that device or of the stub */
    gboolean owns_directory;    /* the socket's directory was made for it alone */
    gboolean may_be_paused;     /* by us */
} VmmGuardOrder;

/* Runs in the guard's process, carries ORDER out, and resumes the guest. The socket, and the directory, are removed
 * afterwards. */
typedef void (*VmmGuardRescue)(gpointer data, const VmmGuardOrder *order);

typedef struct VmmGuard VmmGuard;

/* Forks. Of all open files the guard keeps only KEPT_FD (-1: none). RESCUE and DATA are used in the guard alone.
 * Errors: UNSUPPORTED. */
VmmGuard *vmm_guard_new(VmmGuardRescue rescue, gpointer data, int kept_fd, GError **error);

/* Ends the guard and waits for that; one that is armed goes to work first. NULL is fine. */
void vmm_guard_free(VmmGuard *guard);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmGuard, vmm_guard_free)

/* Before what ORDER tells of is done; a later order replaces it. Errors: LOST (the guard has been killed). */
gboolean vmm_guard_arm(VmmGuard *guard, const VmmGuardOrder *order, GError **error);

/* When the guest runs again. */
void vmm_guard_disarm(VmmGuard *guard);

#endif
