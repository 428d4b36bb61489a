/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who refers to what in an object. Internal to the pairing of two objects.
 */
#ifndef PATCHER_REFERRERS_H
#define PATCHER_REFERRERS_H

#include "patcher/object.h"

/* item -> set of the plain names of the items that refer to it; to be unreffed. */
GHashTable *patch_referrers_find(const PatchElf *elf);

/* How many names are in both sets, either of which may be NULL. */
guint patch_referrers_common(GHashTable *first, GHashTable *second);

#endif
