/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine's side of docs/kvm-protocol.md, whatever the machine is: the embedded one (kvm-vm.h), or another process's
 * that is held from outside (stranger.h). Whoever vanishes, or pauses it for too long, is dropped: what the last will of
 * such a client asks for is done, and the guest runs on.
 */
#ifndef VMM_KVM_CONTROL_H
#define VMM_KVM_CONTROL_H

#include <poll.h>

#include "vmm/kvm-protocol.h"
#include "vmm/machine.h"

#define VMM_CONTROL_MAX_CLIENTS 16
#define VMM_CONTROL_MAX_FDS (VMM_CONTROL_MAX_CLIENTS + 1)

/* What has to be known of a machine, and what it has to do. */
typedef struct {
    /* Errors: BUSY, LOST, UNREACHABLE. NULL: it runs unless a client has paused it. */
    gboolean (*is_running)(gpointer self, gboolean *running, GError **error);
    gboolean (*peek)(gpointer self, guint index, VmmKvmRegisters *registers, GError **error);
    /* REGISTERS has room for all vCPUs. */
    gboolean (*pause)(gpointer self, VmmKvmRegisters *registers, GError **error);
    gboolean (*resume)(gpointer self, GError **error);
    /* In a pause, and of one region. */
    gboolean (*read)(gpointer self, guint64 pa, void *buffer, gsize length, GError **error);
    gboolean (*write)(gpointer self, guint64 pa, const void *data, gsize length, GError **error);
    /* In a pause, for all vCPUs that let one through. */
    gboolean (*inject_nmi)(gpointer self, GError **error);
} VmmControlOps;

typedef struct {
    const VmmControlOps *ops;
    gpointer self;
    guint n_vcpus, n_regions;
    const VmmKvmRegion *regions;    /* kept by whoever made this */
    int memory_fd;                  /* the file that clients get, for reading; -1: they reach memory otherwise */
} VmmControlled;

typedef struct VmmControl VmmControl;

/* MACHINE is copied. */
VmmControl *vmm_control_new(const VmmControlled *machine);

/* Removes the socket. The guest runs on, if it was paused. */
void vmm_control_free(VmmControl *control);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmControl, vmm_control_free)

/* Listens on a new socket PATH, which only its owner can connect to. Errors: USAGE, UNREACHABLE. */
gboolean vmm_control_listen(VmmControl *control, const char *path, GError **error);

/* A client that is connected already: FD, which is taken over. */
void vmm_control_adopt(VmmControl *control, int fd);

guint vmm_control_n_clients(const VmmControl *control);

/* What to wait for; returns how many. */
guint vmm_control_fds(const VmmControl *control, struct pollfd fds[VMM_CONTROL_MAX_FDS]);

/* For how long at most (ms; -1: for ever). */
int vmm_control_timeout_ms(const VmmControl *control);

/* To be called with what vmm_control_fds gave, after poll. */
void vmm_control_serve(VmmControl *control, const struct pollfd *fds, guint n);

#endif
