/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a stack leads through code that must not be in use.
 */
#ifndef PATCHER_BLOCKERS_H
#define PATCHER_BLOCKERS_H

#include "introspect/stack.h"
#include "patcher/plan.h"

/* A task that stands in the way; or, where WHERE is NULL, what of the kernel's leads to what is to go. */
typedef struct {
    gint32 pid;
    char *name;                 /* the task's; or what it is, as "timer at 0xffff888003b40f00" */
    char *where;                /* function and place, as "pipe_read+0x1a3/0x3f0" */
    char *why;                  /* the forbidden code's name; or what there is with it, as "is to call on_timer of the update" */
    gboolean certain;           /* unwound; else a word of its stack looks like it */
} PatchBlocker;

/* Of PatchBlocker. */
GPtrArray *patch_blockers_new(void);
/* Copies those of MORE. */
void patch_blockers_add(GPtrArray *blockers, const GPtrArray *more);

/* A KIND of object that is to call the function NAME. */
void patch_blockers_add_pending(GPtrArray *blockers, const char *kind, GuestVa object, const char *name);
/* A VARIABLE, at AT, that leads to the function or datum NAME. */
void patch_blockers_add_reference(GPtrArray *blockers, const char *variable, GuestVa at, const char *name);

typedef struct PatchJudge PatchJudge;

/* FORBIDDEN (of PatchForbidden) and KERNEL are borrowed. */
PatchJudge *patch_judge_new(const IntroKernel *kernel, const GPtrArray *forbidden);
void patch_judge_free(PatchJudge *judge);

/* Adds to BLOCKERS the task of that name and number, with the innermost frame of STACK that is in the way, if one is. */
void patch_judge_stack(const PatchJudge *judge, const IntroStack *stack, gint32 pid, const char *name, GPtrArray *blockers);

#endif
