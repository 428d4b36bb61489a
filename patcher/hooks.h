/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs the hooks of an update's records in the guest.
 */
#ifndef PATCHER_HOOKS_H
#define PATCHER_HOOKS_H

#include "patcher/runner.h"

/* What came of one. */
typedef struct {
    char *name;
    PatchHookKind kind;
    gint32 result;              /* 0, or a negative error of the kernel's; what it returned */
    char *failure;              /* why it returned nothing; NULL if it did */
} PatchHookResult;

GPtrArray *patch_hook_results_new(void);    /* of PatchHookResult */

/* Whether any of RECORDS (of PatchRecord) has one. */
gboolean patch_hooks_are_in(const GPtrArray *records);

/* Runs those of KIND, of all RECORDS, up to the first that returns an error or nothing; appends to RESULTS, and adds the
 * guest's stops to PAUSES. That one is PATCH_ERROR_NOT_NOW, where trying again can help (-EBUSY, -EAGAIN, no time), or else
 * PATCH_ERROR_DOES_NOT_FIT, or PATCH_ERROR_FAILED if it faulted. */
gboolean patch_hooks_run(const PatchGuest *guest, const GPtrArray *records, PatchHookKind kind, GPtrArray *results,
                         PatchPauses *pauses, GError **error);

/* Ends those of RECORDS' hooks that still run for a tool that is gone, and have had their time. TRUE if any was ended. */
gboolean patch_hooks_end_left(const PatchGuest *guest, const GPtrArray *records, PatchPauses *pauses);

#endif
