/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the sources that read and write records share. */
#ifndef PATCHER_RECORD_PRIVATE_H
#define PATCHER_RECORD_PRIVATE_H

#include "patcher/record.h"

/* The longest block, and the longest area of data. */
#define PATCH_MAX_BLOCK_BYTES (64 * 1024 * 1024)

/* The record proper, as patch_record_save() makes it; without what the block's header says. NULL if it is none. */
PatchRecord *patch_record_load_body(GBytes *body);

/* A record is the guest's word. What it says of itself has to hang together before any of it is acted on. The record is that
 * of the block of BLOCK_BYTES at VA, with region_bytes set. */
gboolean patch_record_is_consistent(const PatchRecord *record, GuestVa va, guint64 block_bytes);

#endif
