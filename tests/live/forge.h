/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records of updates that nobody has applied, as a guest can make them up.
 */
#ifndef TESTS_LIVE_FORGE_H
#define TESTS_LIVE_FORGE_H

#include "introspect/kernel.h"

/* What to put at the start of HOLE, an executable one: two records, each with so many jumps in the text of the guest's first
 * module that they fill half of LENGTH bytes. None of the first one's is there, all of the second one's are, at the same
 * places. NULL if the guest has no module. */
GBytes *forge_records(const IntroKernel *kernel, const IntroHole *hole, gsize length, GError **error);

#endif
