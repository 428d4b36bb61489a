/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The code and data of runner.h as an object to be placed in a guest, laid out by that guest's own types.
 * Sources: arch/x86/kernel/nmi.c, include/linux/irq_work.h, include/linux/workqueue.h, kernel/kthread.c of Linux.
 */
#ifndef PATCHER_RUNNER_OBJECT_H
#define PATCHER_RUNNER_OBJECT_H

#include "introspect/kernel.h"
#include "patcher/nmi-list.h"
#include "patcher/record.h"
#include "patcher/runner-code.h"
#include "patcher/update.h"

#define PATCH_RUNNER_PIECE_NAME "(runner)"
#define PATCH_RUNNER_ARGUMENTS_N 6
#define PATCH_RUNNER_FOLLOW_UPS_N 2

/* What is run when the function has returned. */
typedef struct {
    GuestVa function;           /* 0: nothing */
    guint64 arguments[2];       /* the first: 0 stands for what the function has returned, which has to be something else */
} PatchFollowUp;

/* What is to be run. */
typedef struct {
    const char *name;           /* of it, for messages */
    GuestVa function;
    guint64 arguments[PATCH_RUNNER_ARGUMENTS_N];
    PatchFollowUp follow_ups[PATCH_RUNNER_FOLLOW_UPS_N];
    guint32 block_pages, region_pages;      /* if it is to give memory: a region with a block of so many pages; else 0 */
    GBytes *bytes;              /* to lie in the guest for as long as it runs; may be NULL */
    int bytes_argument;         /* the argument that is their address, from 0; -1: none */
    double limit_s;             /* how long it may take once it has begun */
    PatchArea own;              /* FUNCTION's code in the image, if nobody else runs it: then it can be ended (runner-end.h);
                                 * length 0 if it cannot */
} PatchCall;

typedef struct {
    PatchObject *object;        /* of two pieces: code, and data */
    gsize parts[PATCH_RUNNER_CPU_NUMBER];   /* PATCH_RUNNER_PENDING to _FOLLOW_UPS: bytes from the start of the data */
    gsize action;                           /* the list_head of the struct nmiaction, likewise */
} PatchRunnerObject;

enum { PATCH_RUNNER_TEXT_PIECE, PATCH_RUNNER_DATA_PIECE };

/* The thread is called NAME, of which 15 characters count. PATCH_ERROR_DOES_NOT_FIT: the guest's kernel lacks something
 * that is needed. */
PatchRunnerObject *patch_runner_object_new(const IntroKernel *kernel, const PatchNmiList *list, const PatchCall *call,
                                           const char *name, GError **error);
void patch_runner_object_free(PatchRunnerObject *runner);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchRunnerObject, patch_runner_object_free)

/* When the code has been given its place: completes it by the way to CALL's functions. */
gboolean patch_runner_object_aim(PatchRunnerObject *runner, const PatchCall *call, GuestVa text, GError **error);

/* Where the function's address, relative to the four bytes' end, lies in the code: bytes from its start. */
gsize patch_runner_object_function(void);

#endif
