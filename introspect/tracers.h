/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Return addresses that tracers have taken off the stack: the function graph tracer (kernel/trace/fgraph.c), rethooks
 * (kernel/trace/rethook.c) and, before there were those, kretprobes (kernel/kprobes.c) put that of a trampoline in their
 * place.
 */
#ifndef INTROSPECT_TRACERS_H
#define INTROSPECT_TRACERS_H

#include "introspect/kernel.h"

typedef struct {
    GuestVa va;                 /* 0 if the kernel has none */
    guint64 length;             /* bytes */
} IntroTrampoline;

/* Records of hooked returns, linked in lists. */
typedef struct {
    gsize size_bytes;           /* of a record; 0 if the kernel has none of that form */
    gsize link, ret, frame;     /* next one's link, the address that was replaced, the slot that it was in */
    gsize task;                 /* whose it is, where a list is not of one task alone */
    gsize task_list;            /* the list's head, in the task; or */
    GuestVa table;              /* 0, or that of TABLE_BYTES of such heads for all tasks */
    gsize table_bytes;
} IntroHookLayout;

typedef struct {
    IntroTrampoline graph, rethook, kretprobe;
    struct {
        gsize size_bytes, ret, retp, task_stack;
    } graph_layout;             /* struct ftrace_ret_stack, and the pointer to them in the task; a size of 0 if not known */
    IntroHookLayout rethooks, kretprobes;
} IntroTracers;

void intro_tracers_init(IntroTracers *tracers, const IntroKernel *kernel);

/* TRUE if IP lies in one of the trampolines. */
gboolean intro_tracers_has(const IntroTracers *tracers, GuestVa ip);

/* The address that RETURN_VA, found on TASK's stack at SLOT, stands for: itself, mostly. FALSE if it is a trampoline's
 * and there is no telling; always so if TASK is 0. */
gboolean intro_tracers_original(const IntroTracers *tracers, const IntroKernel *kernel, GuestVa task, GuestVa return_va,
                                GuestVa slot, GuestVa *original);

#endif
