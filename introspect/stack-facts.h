/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What unwinding needs to know of a kernel and does not change while it runs: unwind tables, layouts, and where each
 * CPU has its own stacks. Read once; the kernel keeps it.
 */
#ifndef INTROSPECT_STACK_FACTS_H
#define INTROSPECT_STACK_FACTS_H

#include "introspect/thunks.h"
#include "introspect/tracers.h"
#include "introspect/unwind.h"

/* One of the possible CPUs. */
typedef struct IntroCpu {
    guint number;                   /* as the kernel counts */
    guint64 base;                   /* of its per-CPU variables: what GS holds in kernel mode */
    GuestVa gdt;                    /* its descriptor table; 0 if the kernel does not tell where */
    GuestVa current_task;           /* where it keeps the pointer to its current task */
    GArray *stacks;                 /* of IntroStackArea: its interrupt, exception and entry stacks, once started */
} IntroCpu;

struct IntroStackFacts {
    IntroOrc *orc;                  /* NULL if the kernel was built without */
    gboolean has_frame_pointers;    /* and unwinds by them */
    IntroTracers tracers;
    IntroThunks thunks;
    IntroRegsLayout regs;
    struct {
        gsize size_bytes, bp, return_address;
    } inactive_frame;               /* struct inactive_task_frame, which a task not on a CPU has at its SP */
    gsize task_stack;               /* offset of the pointer to the stack in struct task_struct */
    guint64 task_stack_bytes;
    gsize task_flags;               /* offset of the flags */
    GuestPa last_table;             /* intro_vcpu_last_table() of the kernel itself */
    GuestVa fork_return;            /* where a new task begins: that address no call returns to */
    IntroRegion context_switch;     /* where the stack is changed; ORC does not know of alternatives that push there */
    GPtrArray *cpus;                /* of IntroCpu */
};

IntroStackFacts *intro_stack_facts_new(const IntroKernel *kernel, GError **error);
void intro_stack_facts_free(IntroStackFacts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntroStackFacts, intro_stack_facts_free)

/* NULL if that is not a possible CPU's number. */
const IntroCpu *intro_stack_facts_cpu(const IntroStackFacts *facts, guint number);

#endif
