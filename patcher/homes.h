/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comparing two objects function by function and datum by datum does not show: those that move to a section of
 * another kind, names that stand for another function than before, and code and tables that have no names.
 */
#ifndef PATCHER_HOMES_H
#define PATCHER_HOMES_H

#include "patcher/diff.h"

/* Adds to the findings of DIFF, whose pairing and tables are there. */
void patch_homes_compare(PatchDiff *diff);

#endif
