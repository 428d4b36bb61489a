/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Return addresses that tracers have taken off the stack: the function graph tracer (kernel/trace/fgraph.c) and
 * rethooks, that is kretprobes and fprobes (kernel/trace/rethook.c), put that of a trampoline in their place.
 */
#ifndef INTROSPECT_TRACERS_H
#define INTROSPECT_TRACERS_H

#include "introspect/kernel.h"

typedef struct {
    GuestVa va;                 /* 0 if the kernel has none */
    guint64 length;             /* bytes */
} IntroTrampoline;

/* What the kernel has of it; a size_bytes of 0 says that the form is not known. */
typedef struct {
    IntroTrampoline graph, rethook, kretprobe;
    struct {
        gsize size_bytes, ret, retp, task_stack;
    } graph_layout;             /* struct ftrace_ret_stack, and the pointer to them in the task */
    struct {
        gsize size_bytes, list, ret, frame, task_list;
    } rethook_layout;           /* struct rethook_node, and the head of their list in the task */
} IntroTracers;

void intro_tracers_init(IntroTracers *tracers, const IntroKernel *kernel);

/* TRUE if IP lies in one of the trampolines. */
gboolean intro_tracers_has(const IntroTracers *tracers, GuestVa ip);

/* The address that RETURN_VA, found on TASK's stack at SLOT, stands for: itself, mostly. FALSE if it is a trampoline's
 * and there is no telling; always so if TASK is 0. */
gboolean intro_tracers_original(const IntroTracers *tracers, const IntroKernel *kernel, GuestVa task, GuestVa return_va,
                                GuestVa slot, GuestVa *original);

#endif
