/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stays in the guest of an update that is undone: constants and variables that objects may go on using (escape.h). The
 * constants are as good as the kernel's own to any update that comes later and has the same; the variables are nobody else's.
 *
 * They begin the data area, in pages that are a block of their own, with a record of them alone, in state kept. As long as the
 * update is there, they are part of it; when it goes, they are what is left. A region goes on as it is, its own block being kept.
 */
#ifndef PATCHER_KEPT_H
#define PATCHER_KEPT_H

#include "patcher/record.h"

/* How many bytes stay when RECORD goes. */
guint64 patch_kept_bytes(const PatchRecord *record);

/* Whether PLACED stays, and the guest may write to it. */
gboolean patch_kept_is_variable(const PatchPlaced *placed);

/* "26 bytes of constants, and 16 bytes of variables (label)"; to be freed. */
char *patch_kept_text(const PatchRecord *record);

/* What of RECORD's data area does not stay. */
PatchArea patch_kept_rest(const PatchRecord *record);

/* The record of those of RECORD's pieces that stay, in the first BYTES of its data area; to be unreffed. */
PatchRecord *patch_kept_record(const PatchRecord *record, guint64 bytes);

#endif
