/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What has to hold when the guest's list of modules is changed (known.h).
 */
#ifndef PATCHER_KNOWN_CHECKS_H
#define PATCHER_KNOWN_CHECKS_H

#include "introspect/module-table.h"
#include "patcher/plan.h"

/* Adds to PLAN that nobody may be changing it. */
void patch_known_require_lock(PatchPlan *plan, const IntroModuleTable *table);

/* The same, that nobody may be looking at it. */
void patch_known_forbid_lookers(PatchPlan *plan, const IntroKernel *kernel);

/* The same, that nobody may hold on to RECORD, which is known. PATCH_ERROR_DOES_NOT_FIT: somebody in the guest has put a probe into
 * it. */
gboolean patch_known_require_unused(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record, GError **error);

#endif
