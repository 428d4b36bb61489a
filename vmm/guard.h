/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small process that puts the guest right if ours dies, by whatever signal, or cannot do so itself: it carries out the
 * last will, and resumes the guest, which QEMU does not do when a gdb client vanishes.
 *
 * It is forked while little is going on yet, so that neither the fork nor the copying of pages after it ever falls into
 * a pause. It then waits at the end of a socket, and acts when that is closed while it is armed or there is a will.
 */
#ifndef VMM_GUARD_H
#define VMM_GUARD_H

#include <sys/types.h>

#include "vmm/will.h"

/* What the guard has to put right after our death. */
typedef struct {
    char machine[64];           /* which one it is, for a rescue that has to look for it; may be "" */
    char chardev[32];           /* a character device to remove; if "", it is the gdb stub that is to be closed */
    char socket_path[108];      /* of that device or of the stub */
    gboolean owns_directory;    /* the socket's directory was made for it alone */
    gboolean may_be_paused;     /* by us */
    char stub_directory[108];   /* where QEMU may make the socket of a gdb stub; "": in one made for OWNER */
    uid_t stub_owner;
} VmmGuardOrder;

/* Runs in the guard's process, carries WILL and ORDER out, and resumes the guest. The socket, and the directory, are
 * removed afterwards. */
typedef void (*VmmGuardRescue)(gpointer data, const VmmGuardOrder *order, const VmmWill *will);

typedef struct VmmGuard VmmGuard;

/* Forks. Of all open files the guard keeps only KEPT_FD (-1: none). RESCUE and DATA are used in the guard alone.
 * Errors: UNSUPPORTED. */
VmmGuard *vmm_guard_new(VmmGuardRescue rescue, gpointer data, int kept_fd, GError **error);

/* Owned by the guard. */
VmmWill *vmm_guard_will(VmmGuard *guard);

/* Ends the guard and waits for that. One that has something to do goes to work first; if the machine does not let it,
 * it is left behind, with a warning. NULL is fine. */
void vmm_guard_free(VmmGuard *guard);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmGuard, vmm_guard_free)

/* Before what ORDER tells of is done; a later order replaces it. Errors: LOST (the guard has been killed). */
gboolean vmm_guard_arm(VmmGuard *guard, const VmmGuardOrder *order, GError **error);

/* Errors: LOST (it has been killed). */
gboolean vmm_guard_check(VmmGuard *guard, GError **error);

/* When the guest runs again. What the last order said of the machine and the stub's place goes on to hold. */
void vmm_guard_disarm(VmmGuard *guard);

#endif
