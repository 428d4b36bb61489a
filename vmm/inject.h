/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System calls made by a stopped thread of another process, in its name: what KVM tells only to the process that made
 * the machine.
 *
 * Nothing is put into the process but some bytes below the thread's stack, where signal frames go; they are put back. The
 * instructions are ones that every C library has. What lies below the stack is a signal frame with all of the thread's
 * registers, its signal mask and floating-point state, and each system call returns into the C library's own return from
 * a signal (signal-frame.h): so if this process dies at whatever moment, the thread itself goes back to where it was.
 */
#ifndef VMM_INJECT_H
#define VMM_INJECT_H

#include "vmm/threads.h"

typedef struct VmmInjector VmmInjector;

/* Looks for the instructions in process PID, whose memory is MEMORY_FD (/proc/PID/mem, kept by the caller). Errors:
 * UNSUPPORTED, UNREACHABLE. */
VmmInjector *vmm_injector_new(pid_t pid, int memory_fd, GError **error);
void vmm_injector_free(VmmInjector *injector);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmInjector, vmm_injector_free)

/* THREAD, which is stopped, gets ready, wherever it stands. If this fails it is as it was. Errors: UNSUPPORTED,
 * UNREACHABLE, LOST, BUSY (it stands where it must not be interrupted; that passes). */
gboolean vmm_inject_begin(VmmInjector *injector, VmmThreads *threads, const VmmThread *thread, GError **error);

/* ioctl(FD, REQUEST, ARGUMENT), FD being the process's; LENGTH bytes (up to 1024) at ARGUMENT go and come. RESULT as the
 * kernel gives it, so below 0 an error. It has to be a call that does not wait for any other thread, as that one may run
 * on if we die. Errors: LOST, UNREACHABLE. */
gboolean vmm_inject_ioctl(VmmInjector *injector, int fd, unsigned long request, void *argument, gsize length,
                          long *result, GError **error);

/* The thread stands as it did before. Errors: LOST, UNREACHABLE. */
gboolean vmm_inject_end(VmmInjector *injector, GError **error);

#endif
