/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One struct task_struct: read in a single piece, and understood by the kernel's BTF.
 */
#ifndef INTROSPECT_TASK_STRUCT_H
#define INTROSPECT_TASK_STRUCT_H

#include "introspect/tasks.h"

typedef enum {
    INTRO_TASK_PID, INTRO_TASK_TGID, INTRO_TASK_COMM, INTRO_TASK_STATE, INTRO_TASK_EXIT_STATE, INTRO_TASK_FLAGS,
    INTRO_TASK_CPU, INTRO_TASK_ON_CPU, INTRO_TASK_STACK, INTRO_TASK_STACK_REFERENCES, INTRO_TASK_SP,
    INTRO_TASK_VOLUNTARY, INTRO_TASK_INVOLUNTARY, INTRO_TASK_SIGNAL, INTRO_TASK_KTHREAD,
    INTRO_TASK_NEXT, INTRO_TASK_PREVIOUS, INTRO_TASK_NEXT_THREAD, INTRO_TASK_PREVIOUS_THREAD,
    INTRO_TASK_N_FIELDS
} IntroTaskField;

struct IntroTaskLayout {
    gsize start, length;        /* the part of task_struct that has all of these fields, bytes */
    IntroMember fields[INTRO_TASK_N_FIELDS];    /* size_bits is 0 where the kernel has no such member */
    guint64 stack_bytes;
    gsize thread_head;          /* offset of the list of threads in signal_struct */
    gsize idle;                 /* offset of the pointer to a CPU's idle task in rq */
    struct {
        gsize data, full_name;  /* struct kthread */
        gboolean has_full_name;
    } kthread;
    struct {
        gsize desc, desc_bytes, pool, current_work; /* struct worker */
    } worker;
};

/* Whether a kernel thread's long name, and what a worker works on, are looked up. */
typedef enum { INTRO_TASK_NAMES_FULL, INTRO_TASK_NAMES_SHORT } IntroTaskNames;

/* Read once; the kernel keeps it. To be freed with g_free. */
IntroTaskLayout *intro_task_layout_new(const IntroKernel *kernel, GError **error);

/* Reads LAYOUT->length bytes of the task at TASK into PART. */
gboolean intro_task_read_part(const IntroKernel *kernel, const IntroTaskLayout *layout, GuestVa task, guint8 *part,
                              GError **error);

/* 0 for a field that the kernel does not have; that of an array is its first 8 bytes at most. */
guint64 intro_task_field(const IntroTaskLayout *layout, const guint8 *part, IntroTaskField field);

/* The address in a task at TASK of a list's link, the field being its `next`. */
GuestVa intro_task_link(const IntroTaskLayout *layout, GuestVa task, IntroTaskField next);

/* Kernel threads' names are looked up in guest memory; one that can not be read is the short one. */
IntroTask *intro_task_parse(const IntroKernel *kernel, const IntroTaskLayout *layout, GuestVa task, const guint8 *part,
                            IntroTaskNames names);

#endif
