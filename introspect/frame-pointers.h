/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a kernel's functions keep frame pointers, which is what it unwinds by if it has no ORC (CONFIG_FRAME_POINTER).
 */
#ifndef INTROSPECT_FRAME_POINTERS_H
#define INTROSPECT_FRAME_POINTERS_H

#include "introspect/kernel.h"

/* TRUE if all of some functions that every kernel has begin as such functions do. */
gboolean intro_kernel_has_frame_pointers(const IntroKernel *kernel);

/* TRUE if CODE, the first bytes of a function, makes a frame: behind ENDBR and the call or nop of a tracer, if any. */
gboolean intro_frame_pointers_prologue(const guint8 *code, gsize length);

#endif
