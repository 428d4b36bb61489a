/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All threads of another process, stopped and let go by ptrace. While they are stopped, none of them is in a system call
 * that changes anything: each stands where it would return to its own code. None is attached to in between.
 *
 * If this process dies they run on by themselves. As with any tracer, system calls that cannot be restarted, epoll_wait
 * among them, end with EINTR in the threads that were in one.
 *
 * All of it from one thread of this process, which has SIGCHLD blocked and no other children.
 */
#ifndef VMM_THREADS_H
#define VMM_THREADS_H

#include <sys/types.h>
#include <sys/user.h>

#include <glib.h>

typedef struct {
    pid_t tid;
    gboolean is_stopped;
    struct user_regs_struct registers;      /* as it stopped */
} VmmThread;

typedef struct VmmThreads VmmThreads;

/* Those of process PID; nothing is done to them yet. */
VmmThreads *vmm_threads_new(pid_t pid);

/* Lets all run first. */
void vmm_threads_free(VmmThreads *threads);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmThreads, vmm_threads_free)

/* Errors: BUSY (stopped or traced by somebody else), LOST, UNREACHABLE (no permission, or one does not stop). All run
 * then; only one that does not stop is left attached to, see vmm_threads_are_stuck. */
gboolean vmm_threads_stop(VmmThreads *threads, GError **error);

/* While they are stopped; owned by THREADS. Of VmmThread; the kernel's own workers within the process are left out. */
const GArray *vmm_threads_list(const VmmThreads *threads);

/* Errors: LOST. */
gboolean vmm_threads_go(VmmThreads *threads, GError **error);

/* To be called when SIGCHLD came while they were stopped: FALSE if the process has ended. Until this is done, its parent
 * does not get to know. */
gboolean vmm_threads_look(VmmThreads *threads);

/* TRUE if one could not be let go of, which only the end of this process will do. */
gboolean vmm_threads_are_stuck(const VmmThreads *threads);

/* Waits for the next stop of the thread TID, which was let run: wait's status. Errors: LOST, UNREACHABLE. */
gboolean vmm_threads_wait(VmmThreads *threads, pid_t tid, int *status, GError **error);

#endif
