/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pointers to an update's code, in what stays of it when it goes (kept.h): an object that still has such a table finds no callback
 * there then, as many look for, and none that leads into emptied memory, or, worse, into what somebody else has there later.
 *
 * In a region, the code stays as well, and so do they.
 */
#ifndef PATCHER_LOOSE_ENDS_H
#define PATCHER_LOOSE_ENDS_H

#include "patcher/plan.h"

/* RECORD's block is to go: adds to PLAN the writes that put zero in place of what leads into it, and notes that say where that was.
 * A pointer that is written there between now and the pause is not seen. PATCH_ERROR_FAILED: there are more than there can be. */
gboolean patch_loose_ends_plan(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record, GError **error);

#endif
