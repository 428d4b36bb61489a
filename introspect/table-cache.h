/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entries of page tables. While the guest is paused the tables do not change, and each is read once only, as a whole; which
 * ones that were is remembered, so that the next time they are read in one go.
 */
#ifndef INTROSPECT_TABLE_CACHE_H
#define INTROSPECT_TABLE_CACHE_H

#include "vmm/machine.h"

typedef struct IntroTableCache IntroTableCache;

/* READER is borrowed. */
IntroTableCache *intro_table_cache_new(const VmmReader *reader);
void intro_table_cache_free(IntroTableCache *cache);

/* From here to the release, the guest is paused. */
void intro_table_cache_hold(IntroTableCache *cache);
void intro_table_cache_release(IntroTableCache *cache);

/* Reads the entries at these places, none of which reaches over the end of its table. Errors: as vmm_read_extents. */
gboolean intro_table_cache_read(const IntroTableCache *cache, const VmmExtent *entries, guint n_entries, GError **error);

#endif
