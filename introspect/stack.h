/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel stacks, unwound as the kernel's own ORC unwinder would (arch/x86/kernel/unwind_orc.c), from guest memory.
 *
 * Where ORC cannot vouch for what follows, every word of the rest of that stack that could be a return address is
 * reported as a frame that is not certain: for showing, noise; for deciding whether code is in use, proof enough.
 */
#ifndef INTROSPECT_STACK_H
#define INTROSPECT_STACK_H

#include "introspect/kernel.h"
#include "introspect/tasks.h"
#include "vmm/vcpu.h"

typedef struct {
    GuestVa pc;
    gboolean is_return;     /* a return address: the call lies before it; else where execution stood */
    gboolean certain;       /* unwound; else found by scanning */
} IntroFrame;

typedef struct {
    GArray *frames;         /* of IntroFrame, innermost first */
    gboolean complete;      /* unwound to a known end: user mode, or the bottom of a kernel thread */
} IntroStack;

/* Of no frames, complete. */
IntroStack *intro_stack_new(void);
void intro_stack_free(IntroStack *stack);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntroStack, intro_stack_free)

/* The kernel stack of a task that is not on a CPU. For one that is, the result means nothing; see on_cpu. */
IntroStack *intro_stack_of_task(const IntroKernel *kernel, const IntroTask *task, GError **error);

/* All words of the task's stack that could be return addresses, whether they are in use or not: for one that runs where nobody
 * can tell. None of them is certain. */
IntroStack *intro_stack_scan_task(const IntroKernel *kernel, const IntroTask *task, GError **error);

/* The kernel stack a vCPU stands on, through its interrupt and exception stacks; no frames if it is in user mode, or if its
 * registers are not the kernel's at all (intro_vcpu_is_own()). */
IntroStack *intro_stack_of_vcpu(const IntroKernel *kernel, const VmmVcpu *vcpu, GError **error);

/* TRUE if VA lies in the scheduler's own functions, which /proc/PID/stack leaves out. */
gboolean intro_stack_is_scheduler(const IntroKernel *kernel, GuestVa va);

#endif
