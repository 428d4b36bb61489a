/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that the kernel's allocator of memory for code (module_alloc(), execmem_alloc()) has given out, as the page tables
 * show it. Each area has unmapped pages before and behind it: the allocator leaves one between any two.
 */
#ifndef INTROSPECT_CODE_AREAS_H
#define INTROSPECT_CODE_AREAS_H

#include "introspect/kernel.h"

typedef struct {
    GuestVa va;
    guint64 code_bytes;         /* whole pages, R-X */
    guint64 bytes;              /* all of it; what is behind the code is RW- */
} IntroCodeArea;

/* Those that begin with code, and hold nothing but code and data: of IntroCodeArea, by ascending address, to be unreffed. */
GArray *intro_code_areas(const IntroKernel *kernel, GError **error);

#endif
