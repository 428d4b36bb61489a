/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What finding one's way through stacks (unwind.c) and looking at each of their words (scan.c) work on: the stacks that may be
 * met, and the frames that were found.
 */
#ifndef INTROSPECT_UNWINDER_H
#define INTROSPECT_UNWINDER_H

#include "introspect/unwind.h"

typedef struct {
    const IntroUnwindOps *ops;
    gpointer self;
    const IntroRegsLayout *layout;
    GArray *areas;                  /* of IntroStackArea */
    GArray *frames;                 /* of IntroFrame */
} IntroUnwinder;

gboolean intro_stack_area_holds(const IntroStackArea *area, GuestVa va, gsize length);

/* The stack that holds LENGTH bytes at VA, or NULL. */
IntroStackArea *intro_unwinder_area(const IntroUnwinder *unwinder, GuestVa va, gsize length);

/* FALSE if the guest's memory has no copy of it to give. */
gboolean intro_unwinder_load(const IntroUnwinder *unwinder, IntroStackArea *area);

void intro_unwinder_add_frame(const IntroUnwinder *unwinder, GuestVa pc, gboolean is_return, gboolean certain);

#endif
