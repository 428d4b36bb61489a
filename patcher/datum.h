/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A datum of an update in the guest: where it is, whether it holds what the update expects there, and what it is to hold.
 */
#ifndef PATCHER_DATUM_H
#define PATCHER_DATUM_H

#include "patcher/arena.h"
#include "patcher/match.h"
#include "patcher/plan.h"

/* Whether it is to be changed, and not only to be looked at. */
gboolean patch_datum_changes(const PatchDatum *datum);

/*
 * The value of DATUM, of RESOLVED's object, as it is to be recorded: with installed updates' values (ARENA) taken out of
 * what was there before. PIECE_VAS holds the address of every piece of the object. If DATUM is only to be looked at, PLAN
 * (may be NULL) has the condition that the guest leaves it as it is. PATCH_ERROR_DOES_NOT_FIT names what the guest holds
 * and what was expected. To be freed.
 */
PatchValue *patch_datum_value(const IntroKernel *kernel, const PatchArena *arena, const PatchResolved *resolved,
                              const PatchDatum *datum, const GuestVa *piece_vas, PatchPlan *plan, GError **error);

#endif
