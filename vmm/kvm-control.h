/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The embedded machine's side of its control socket. Whoever vanishes, or pauses it for too long, is dropped: what the
 * last will of such a client asks for is done, and the guest runs on.
 */
#ifndef VMM_KVM_CONTROL_H
#define VMM_KVM_CONTROL_H

#include <poll.h>

#include "vmm/kvm-vm.h"

#define VMM_CONTROL_MAX_CLIENTS 16
#define VMM_CONTROL_MAX_FDS (VMM_CONTROL_MAX_CLIENTS + 1)

typedef struct VmmControl VmmControl;

/* Listens on a new socket PATH, which only its owner can connect to. Errors: USAGE, UNREACHABLE. */
VmmControl *vmm_control_new(const char *path, VmmVm *vm, GError **error);

/* Removes the socket. The guest runs on, if it was paused. */
void vmm_control_free(VmmControl *control);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmControl, vmm_control_free)

/* What to wait for; returns how many. */
guint vmm_control_fds(const VmmControl *control, struct pollfd fds[VMM_CONTROL_MAX_FDS]);

/* For how long at most (ms; -1: for ever). */
int vmm_control_timeout_ms(const VmmControl *control);

/* To be called with what vmm_control_fds gave, after poll. */
void vmm_control_serve(VmmControl *control, const struct pollfd *fds, guint n);

#endif
