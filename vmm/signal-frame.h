/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frame of a signal on a thread's stack, from which rt_sigreturn() takes back all of its registers.
 *
 * Source: arch/x86/kernel/signal_64.c and arch/x86/include/uapi/asm/{ucontext,sigcontext}.h of Linux.
 */
#ifndef VMM_SIGNAL_FRAME_H
#define VMM_SIGNAL_FRAME_H

#include <sys/user.h>
#include <ucontext.h>

#include <glib.h>

/* What a system call that is made in such a frame returns into, from the top of the stack on. */
typedef struct {
    guint64 restorer;
    ucontext_t context;
} VmmSignalFrame;

/* What the kernel makes of the registers of a thread that is in a system call which it is to begin anew. A call that it would
 * go on with, rather than begin anew, ends with EINTR after a signal; it is the same here. */
struct user_regs_struct vmm_signal_resumed(const struct user_regs_struct *registers);

/* Marks LENGTH bytes of floating-point state, as ptrace has them, the way the kernel does in a frame. XSTATE has room for four
 * bytes more; returns the length with these. */
gsize vmm_signal_mark_xstate(guint8 *xstate, gsize length);

/* MASK: of signals. XSTATE_AT: where in the thread's memory the floating-point state lies. RESTORER: where the code is that
 * calls rt_sigreturn(). */
VmmSignalFrame vmm_signal_frame(const struct user_regs_struct *registers, guint64 mask, guint64 xstate_at, guint64 restorer);

#endif
