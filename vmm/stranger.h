/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine of another process that knows nothing of us: whichever program made it with KVM. It is paused by stopping all
 * threads of that process, and asked for its registers by calls made in the name of each vCPU's own thread: any
 * other thread might be left waiting for that one if we died.
 *
 * What its memory is, and that each vCPU belongs to one of the threads that were stopped, is what the host's kernel says
 * (kvm-slots.h), looked at again in each pause. If anything about it is not known, nothing is done.
 */
#ifndef VMM_STRANGER_H
#define VMM_STRANGER_H

#include "vmm/kvm-control.h"
#include "vmm/memory.h"

typedef struct VmmStranger VmmStranger;

/* Looks at the machine of process PID without stopping it. The regions' offsets are addresses in that process. Errors:
 * NOT_FOUND (it has no machine), UNREACHABLE, UNSUPPORTED, BUSY, LOST. */
VmmStranger *vmm_stranger_new(pid_t pid, GError **error);
void vmm_stranger_free(VmmStranger *stranger);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmStranger, vmm_stranger_free)

/* What a server of the protocol has to know; STRANGER has to outlive it. */
void vmm_stranger_describe(VmmStranger *stranger, VmmControlled *machine);

/* Files that the server's process needs; returns how many. */
guint vmm_stranger_fds(const VmmStranger *stranger, int fds[4]);

/* To be called when SIGCHLD came. FALSE if the server has to end: the machine has, or goes on only then. */
gboolean vmm_stranger_look(VmmStranger *stranger);

#endif
