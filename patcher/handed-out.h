/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Functions whose address the old code gives away, as a callback: objects in a running kernel's memory may hold it, and go on
 * calling the function when the new code gives another one away in its place.
 */
#ifndef PATCHER_HANDED_OUT_H
#define PATCHER_HANDED_OUT_H

#include "patcher/diff.h"

/* Adds to FINDINGS the functions of DIFF that changed, and that only the old code hands out. */
void patch_handed_out_find(const PatchDiff *diff, GPtrArray *findings);

#endif
