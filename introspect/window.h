/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A second address for the parts of the kernel's image that have unused room for code.
 *
 * The kernel takes every address from _stext to _etext for its own: it looks up faults, unwind data and names there only
 * in the tables that the image was linked with. New code can be known to it only at other addresses. The 6 MB behind
 * the fixmap are reserved for nothing, by arch/x86/kernel/head_64.S ("6 MB reserved space + a 2MB hole") and
 * Documentation/x86/x86_64/mm.rst: three entries of level2_fixmap_pgt, which all address spaces share, empty for as long
 * as the kernel runs. An entry of the image's own page table, copied there, maps 2 MB of the image a second time, with
 * the same permissions; and from there all of the image is within reach of 32 bits.
 *
 * Which part of the image belongs at which entry follows from the image alone, so an address behind the fixmap never
 * means anything but one place in it, and a translation that a CPU has kept is never wrong.
 */
#ifndef INTROSPECT_WINDOW_H
#define INTROSPECT_WINDOW_H

#include "introspect/kernel.h"

#define INTRO_WINDOW_BYTES (2ULL << 20)

typedef struct {
    GuestVa image_va;           /* what of the image is seen through it: 2 MB, aligned */
    GuestVa va;                 /* where */
    GuestVa entry_va;           /* of the entry in the page table that opens it */
    guint64 entry;              /* what has to be there */
    gboolean is_open;           /* whether it is there; else there is nothing */
} IntroWindow;

/* The window that VA, in an executable one of HOLES (from intro_kernel_holes()), is seen through: it need not be open.
 * INTRO_ERROR_UNSUPPORTED: there is none, or its place is not free. */
gboolean intro_window_find(const IntroKernel *kernel, const GArray *holes, GuestVa va, IntroWindow *window, GError **error);

#endif
