/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan: every byte that an apply or an undo will write, and every condition under which it may, complete before the
 * guest is paused. Building one reads the guest and changes nothing (plan-apply.h, plan-undo.h); commit.h executes it.
 */
#ifndef PATCHER_PLAN_H
#define PATCHER_PLAN_H

#include "introspect/kernel.h"
#include "patcher/record.h"

/* One write, and what has to be there before it. */
typedef struct {
    GuestVa va;
    GBytes *before;             /* NULL: whatever is there (data that the guest writes, say, or what an earlier write
                                   of the plan leaves there) */
    GBytes *after;
    GArray *mappings;           /* of IntroMapping: where the bytes lie, in order */
} PatchWrite;

/* Code that no task and no vCPU may be in. */
typedef struct {
    char *name;
    GuestVa va;
    guint64 length;             /* bytes */
    GuestVa open_until;         /* up to this address, execution may stand there: what lies before the jump stays as
                                   it is, and at the jump itself nothing has begun; 0 if nowhere */
} PatchForbidden;

typedef struct {
    GPtrArray *writes;          /* of PatchWrite, in the order in which they are made */
    GPtrArray *forbidden;       /* of PatchForbidden */
    PatchRecord *record;        /* of the update that is installed or removed */
    const char *verb;           /* "apply" or "undo", for messages */
} PatchPlan;

/* An empty plan; takes RECORD over. VERB has to be static. */
PatchPlan *patch_plan_new(const char *verb, PatchRecord *record);
void patch_plan_free(PatchPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchPlan, patch_plan_free)

/* Adds one write; BEFORE (may be NULL) and AFTER are referenced. Fails if not all of the place is mapped. */
gboolean patch_plan_write(PatchPlan *plan, const IntroKernel *kernel, GuestVa va, GBytes *before, GBytes *after,
                          GError **error);
/* Adds the write of the record's state word. */
gboolean patch_plan_write_state(PatchPlan *plan, const IntroKernel *kernel, PatchState state, GError **error);
void patch_plan_forbid(PatchPlan *plan, const char *name, GuestVa va, guint64 length, GuestVa open_until);

/* LENGTH times BYTE. */
GBytes *patch_plan_filler(guint8 byte, gsize length);

#endif
