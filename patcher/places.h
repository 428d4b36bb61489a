/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The places in guest memory that a plan's writes go to: what is there, and what should be.
 */
#ifndef PATCHER_PLACES_H
#define PATCHER_PLACES_H

#include "patcher/plan.h"

/* What is there now, write by write: of GBytes, to be unreffed. Read in one go. WRITES are of PatchWrite. */
GPtrArray *patch_places_read(const VmmReader *reader, const GPtrArray *writes, GError **error);

/* Is it what the writes expect? PATCH_ERROR_NOT_NOW. */
gboolean patch_places_check_before(const GPtrArray *writes, const GPtrArray *places, GError **error);

/* What all WRITES leave in the end, which for some is written over by later ones: of GBytes, to be unreffed. */
GPtrArray *patch_places_outcome(const GPtrArray *writes);

/* Is it what OUTCOME says? PATCH_ERROR_FAILED. */
gboolean patch_places_check_outcome(const GPtrArray *writes, const GPtrArray *places, const GPtrArray *outcome,
                                    GError **error);

/* Appends VmmChunks that point into the plan, or into PLACES. */
void patch_places_add_writes(GArray *chunks, const GPtrArray *writes);
/* The same, last write first: what goes back to PLACES, of what does not stay. */
void patch_places_add_returns(GArray *chunks, const GPtrArray *writes, const GPtrArray *places);

#endif
