/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The conservative way: of what cannot be unwound, each word that could be a return address counts as one.
 */
#ifndef INTROSPECT_SCAN_H
#define INTROSPECT_SCAN_H

#include "introspect/unwinder.h"

/* Those from FROM to END, both in AREA, which is loaded. */
void intro_scan_words(const IntroUnwinder *unwinder, const IntroStackArea *area, GuestVa from, GuestVa end);

/* Those from SP to the end of its stack, and the same of the stacks left for that one. The task's own stack is the last of
 * them; if the way does not lead there, or begins nowhere, what was missed is scanned from end to end. */
void intro_scan_from(const IntroUnwinder *unwinder, GuestVa sp);

/* All words of AREAS, of which there are copies, that could be return addresses. */
IntroStack *intro_scan_all(const IntroUnwindOps *ops, gpointer self, const IntroRegsLayout *layout, GArray *areas);

#endif
