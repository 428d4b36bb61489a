/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The data of the guest's kernel to which installed updates have given other values: what is there, and what has to be
 * there. Several updates may have given one to the same bits; the latest is in force, and below all of them is the
 * kernel's own. (The same for code is in jumps.h. Unlike code, data may be changed by the guest itself.)
 */
#ifndef PATCHER_VALUES_H
#define PATCHER_VALUES_H

#include "patcher/arena.h"
#include "patcher/plan.h"

typedef enum {
    PATCH_VALUE_IN_FORCE,
    PATCH_VALUE_SUPERSEDED,     /* a later update's value is there, in part at least */
    PATCH_VALUE_GONE,           /* with its module, which was unloaded since, or with the object that pointers led to */
    PATCH_VALUE_RESTORED,       /* the kernel's own value is there */
    PATCH_VALUE_ALTERED,        /* or something else */
} PatchValueState;

/* What has become of RECORD's VALUE. NOW (may be NULL) is what is there, as a text to be freed; NULL if it is GONE. */
PatchValueState patch_value_state(const IntroKernel *kernel, const PatchArena *arena, const PatchRecord *record,
                                  const PatchValue *value, char **now);

/* Whether the pointers on the way to VALUE still lead where they led; WHERE (may be NULL) is the first that does not. */
gboolean patch_value_is_reached(const IntroKernel *kernel, const PatchValue *value, const PatchPointer **where);

/* The installed record, not among EXCEPT (may be NULL), that was the last to change any bit of VALUE; NULL if there is
 * none. */
const PatchRecord *patch_values_latest(const IntroKernel *kernel, const PatchArena *arena, const GPtrArray *except,
                                       const PatchValue *value);

/* Puts the kernel's own values in place of installed ones in the LENGTH bytes at BYTES, which were read at VA. */
void patch_values_take_out(const IntroKernel *kernel, const PatchArena *arena, GuestVa va, guint8 *bytes, gsize length);

/*
 * Adds to PLAN what brings all data that are concerned from what is there to what has to be there when REMOVED (of
 * PatchRecord, of the arena) are no longer installed and ADDED (the same) are. A value of REMOVED that the guest has
 * changed since is left to it with KEEP, as it always is after an interruption, and PLAN->notes say so;
 * PATCH_ERROR_DOES_NOT_FIT otherwise. PATCH_ERROR_PASSING: one of ADDED is being changed at the moment.
 */
gboolean patch_values_plan(PatchPlan *plan, const IntroKernel *kernel, const PatchArena *arena, const GPtrArray *removed,
                           const GPtrArray *added, gboolean keep, GError **error);

#endif
