/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shadow variables that an update has brought along itself (shadow.h), and that the one which takes its place takes over.
 */
#ifndef PATCHER_INHERIT_H
#define PATCHER_INHERIT_H

#include "patcher/plan.h"

/* Whether nothing has to be run when UPDATE takes the place of RECORD: it has no hooks, or none but the one that would give back
 * what UPDATE takes over. */
gboolean patch_inherit_is_possible(const PatchUpdate *update, const PatchRecord *record);

/* Adds to PLAN, which is in the step of the change, that RECORD, whose code is in the guest, takes over what OLD has.
 * PATCH_ERROR_DOES_NOT_FIT: it has some of its own already. */
gboolean patch_inherit_plan(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *old, const PatchRecord *record,
                            GError **error);

#endif
