/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks at a guest that fuzzers take, and that record-guest takes before them, so that what they read is in the record.
 */
#ifndef TESTS_FUZZ_LOOKS_H
#define TESTS_FUZZ_LOOKS_H

#include "introspect/kernel.h"
#include "patcher/update.h"

void look_at_condition(const IntroKernel *kernel);

/* UPDATE is one that is not installed. */
void look_at_updates(const IntroKernel *kernel, const PatchUpdate *update);

#endif
