/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan: every byte that an apply or an undo will write, and every condition under which it may, complete before the
 * guest is paused. Building one reads the guest and changes nothing (plan-apply.h, plan-undo.h); commit.h executes it.
 */
#ifndef PATCHER_PLAN_H
#define PATCHER_PLAN_H

#include "introspect/kernel.h"
#include "patcher/error.h"
#include "patcher/record.h"

/* When a write is made. What nothing in the guest uses yet, or any more, is written outside of the pause that counts. */
typedef enum {
    PATCH_STEP_COMMIT,          /* at the safe moment, in one pause */
    PATCH_STEP_PREPARE,         /* before it, while the guest runs but for short stops */
    PATCH_STEP_CLEAN,           /* after it, likewise */
} PatchStep;

/* One write, and what has to be there before it. */
typedef struct {
    PatchStep step;
    GuestVa va;
    GBytes *before;             /* NULL: whatever is there (data that the guest writes, say, or what an earlier write
                                   of the plan leaves there) */
    GBytes *after;
    GArray *mappings;           /* of IntroMapping: where the bytes lie, in order */
    gboolean may_move;          /* the guest can give this memory back: the mappings have to be seen again in the pause */
    gboolean may_change;        /* the guest itself may write there: if it did, another plan may do */
    gboolean stays;             /* not to be taken back: the place is this plan's alone, and given back when it fails */
} PatchWrite;

/* What the guest's memory has to hold in the pause, by its address then. */
typedef struct {
    GuestVa va;
    GBytes *bytes;
    char *otherwise;            /* what is the matter if it does not: "module dm_crypt is being unloaded" */
    PatchError error;           /* PATCH_ERROR_NOT_NOW, or PATCH_ERROR_PASSING */
} PatchCondition;

/* Code that no task and no vCPU may be in. */
typedef struct {
    char *name;
    GuestVa va;
    guint64 length;             /* bytes */
    GuestVa open_until;         /* up to this address, execution may stand there: what lies before the jump stays as
                                   it is, and at the jump itself nothing has begun; 0 if nowhere */
} PatchForbidden;

typedef struct {
    GPtrArray *writes;          /* of PatchWrite, in the order in which they are made, step by step */
    PatchStep step;             /* of the writes that are added next */
    GPtrArray *forbidden;       /* of PatchForbidden */
    GPtrArray *given;           /* of PatchForbidden: code that goes, and that the kernel must not be about to call, */
    GPtrArray *given_data;      /* of PatchForbidden: and data that goes with it; may be empty where GIVEN is not */
    GPtrArray *conditions;      /* of PatchCondition */
    GPtrArray *records;         /* of PatchRecord: what is installed or removed */
    GPtrArray *replaced;        /* of PatchRecord: what is removed on the way, since others take its place */
    GPtrArray *notes;           /* of char *: what is to be told when it was carried out */
    const char *verb;           /* "apply" or "undo", for messages */
    gboolean sends_nmi;         /* when all is written, before the guest goes on */
} PatchPlan;

/* An empty plan. VERB has to be static. */
PatchPlan *patch_plan_new(const char *verb);
void patch_plan_free(PatchPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchPlan, patch_plan_free)

/* The ids of RECORDS, each once, with ", " between them; to be freed. */
char *patch_plan_ids(const GPtrArray *records);

/* Adds one write; BEFORE (may be NULL) and AFTER are referenced. Fails if not all of the place is mapped. */
gboolean patch_plan_write(PatchPlan *plan, const IntroKernel *kernel, GuestVa va, GBytes *before, GBytes *after,
                          GError **error);
/* The same, into a module's memory. */
gboolean patch_plan_write_module(PatchPlan *plan, const IntroKernel *kernel, GuestVa va, GBytes *before, GBytes *after,
                                 GError **error);
/* The same, to data that the guest may change itself; MAY_MOVE as in PatchWrite. */
gboolean patch_plan_write_data(PatchPlan *plan, const IntroKernel *kernel, GuestVa va, GBytes *before, GBytes *after,
                               gboolean may_move, GError **error);
/* The same, into memory that the guest's allocator has given for it. */
gboolean patch_plan_write_region(PatchPlan *plan, const IntroKernel *kernel, GuestVa va, GBytes *after, GError **error);
/* Adds the write of a record's state word. */
gboolean patch_plan_write_state(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record, PatchState state,
                                GError **error);
/* Adds the writes, of the last step, that empty RECORD's data area, and then its block; a region is claimed, in the step that
 * is the plan's now, and has to be given back afterwards (room.h). If the update may have been IN_FORCE, some of it may stay
 * (kept.h), and what that holds of addresses of its code goes in the step that is the plan's now (loose-ends.h). */
gboolean patch_plan_empty(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record, gboolean in_force,
                          GError **error);

void patch_plan_forbid(PatchPlan *plan, const char *name, GuestVa va, guint64 length, GuestVa open_until);
/* The kernel's own functions that are called one of NAMES (ends in NULL), and what the compiler made of them (.part, .isra): but for
 * their first instruction, before which nothing has begun. */
void patch_plan_forbid_named(PatchPlan *plan, const IntroKernel *kernel, const char *const *names);
/* Code, or data, that goes, and whose address the update may have given to the kernel (pending.h). */
void patch_plan_add_given(PatchPlan *plan, const char *name, GuestVa va, guint64 length);
void patch_plan_add_given_data(PatchPlan *plan, const char *name, GuestVa va, guint64 length);
/* All of RECORD's new code. */
void patch_plan_forbid_text(PatchPlan *plan, const PatchRecord *record);

/* BYTES are referenced, OTHERWISE is taken over. ERROR is what it is if it does not hold, as in PatchCondition. */
void patch_plan_require(PatchPlan *plan, GuestVa va, GBytes *bytes, PatchError error, char *otherwise);

/* That nobody holds the kernel's mutex of that name, which whoever rewrites code does. */
gboolean patch_plan_require_unlocked(PatchPlan *plan, const IntroKernel *kernel, const char *mutex, GError **error);

/* In the pause: whether the conditions hold, and what may have moved has not. PATCH_ERROR_NOT_NOW, or
 * PATCH_ERROR_PASSING. */
gboolean patch_plan_holds(const PatchPlan *plan, const IntroKernel *kernel, GError **error);

/* The writes of one step: of PatchWrite, which are the plan's; to be unreffed. */
GPtrArray *patch_plan_step(const PatchPlan *plan, PatchStep step);

/* LENGTH times BYTE. */
GBytes *patch_plan_filler(guint8 byte, gsize length);

#endif
