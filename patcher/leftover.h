/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Variables that have no pair by what they are called and who uses them. Internal to the pairing of two objects.
 */
#ifndef PATCHER_LEFTOVER_H
#define PATCHER_LEFTOVER_H

#include "patcher/pairing.h"

/* Pairs a variable of a function with one of the file that has its name, size and users, where no other has the name.
 * REFERRERS_OLD and REFERRERS_NEW are of patch_referrers_find(). */
void patch_leftover_pair(PatchPairing *pairing, GHashTable *referrers_old, GHashTable *referrers_new);

/* What PatchPairing.successors tells of; to be unreffed. */
GArray *patch_leftover_successors(const PatchPairing *pairing, GHashTable *referrers_old, GHashTable *referrers_new);

#endif
