/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A region: memory that the guest's own allocator has given for new code and data, since the image has no room. It begins
 * with pages for a block, R-X, which may be followed by pages for data, RW-. Where one lies, the page tables tell
 * (introspect/code-areas.h), and the header of its block whether it is in use.
 */
#ifndef PATCHER_REGION_H
#define PATCHER_REGION_H

#include "patcher/plan.h"

/* Adds to PLAN the header, in state claimed, of the region that the allocator has given at VA. Where there is no such region,
 * nothing is written, and a warning says what is left. */
gboolean patch_region_plan_claim(PatchPlan *plan, const IntroKernel *kernel, GuestVa va, guint64 block_pages,
                                 guint64 region_pages, GError **error);

/* Whether RECORD's region is still laid out as such. */
gboolean patch_region_is_intact(const IntroKernel *kernel, const PatchRecord *record);

#endif
