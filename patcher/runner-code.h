/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The code that runs something in a guest, as the assembler has left it (runner-code.S), and the fields in it that are to
 * be filled in for each guest. It is data here: never executed on the host.
 */
#ifndef PATCHER_RUNNER_CODE_H
#define PATCHER_RUNNER_CODE_H

/* What a field of four bytes is to hold: the distance to a function, */
#define PATCH_RUNNER_IRQ_WORK_QUEUE 0
#define PATCH_RUNNER_QUEUE_WORK_ON 1
#define PATCH_RUNNER_KTHREAD_CREATE 2
#define PATCH_RUNNER_WAKE_UP 3
#define PATCH_RUNNER_FUNCTION 4         /* the one that is to be run */
/* or to a part of the data; */
#define PATCH_RUNNER_PENDING 5
#define PATCH_RUNNER_ARMED 6
#define PATCH_RUNNER_CANCELLED 7
#define PATCH_RUNNER_IRQ_WORK 8
#define PATCH_RUNNER_QUEUE 9
#define PATCH_RUNNER_WORK 10
#define PATCH_RUNNER_NAME 11
#define PATCH_RUNNER_TASK 12
#define PATCH_RUNNER_STATE 13
#define PATCH_RUNNER_RESULT 14
#define PATCH_RUNNER_ARGUMENTS 15
#define PATCH_RUNNER_STACK 16           /* the thread's, where it calls the function */
#define PATCH_RUNNER_FOLLOW_UPS 17      /* for each: whether there is one, and its two arguments */
/* a per-CPU address; */
#define PATCH_RUNNER_CPU_NUMBER 18
#define PATCH_RUNNER_PREEMPT_COUNT 19
/* the distance to a function that is to be run after it; */
#define PATCH_RUNNER_SECOND 20
#define PATCH_RUNNER_THIRD 21
/* or it is no field, but five bytes for the guest's way to return. */
#define PATCH_RUNNER_RETURN 22

#define PATCH_RUNNER_FOLLOW_UP_BYTES 24

/* PATCH_RUNNER_STATE */
#define PATCH_RUNNER_HAS_BEGUN 1
#define PATCH_RUNNER_HAS_RETURNED 2
#define PATCH_RUNNER_HAS_NO_THREAD 3
#define PATCH_RUNNER_WAS_CANCELLED 4
#define PATCH_RUNNER_WAS_ENDED 5

#ifndef __ASSEMBLER__
#include <glib.h>

typedef struct {
    guint32 offset;             /* bytes from the start of the code */
    guint32 addend;             /* to the part of the data */
    guint32 what;               /* PATCH_RUNNER_* */
} PatchRunnerField;

extern const guint8 patch_runner_code[], patch_runner_code_end[];
/* In it: what the kernel calls, in this order. */
extern const guint8 patch_runner_nmi[], patch_runner_interrupt[], patch_runner_work[], patch_runner_thread[];
/* And where the thread is led that does not come back from the function by itself. */
extern const guint8 patch_runner_end[];
extern const PatchRunnerField patch_runner_fields[], patch_runner_fields_end[];
#endif

#endif
