/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Comparing the bytes and references of two stretches of two objects. Internal to diff.c.
 */
#ifndef PATCHER_COMPARE_H
#define PATCHER_COMPARE_H

#include "patcher/diff.h"

/* Whether the same is referred to. */
gboolean patch_compare_places(PatchDiff *diff, const PatchPlace *old_place, const PatchPlace *new_place);

/* Whether two functions or data have the same content. Remembers what it found. */
gboolean patch_compare_items(PatchDiff *diff, guint32 old_item, guint32 new_item);

#endif
