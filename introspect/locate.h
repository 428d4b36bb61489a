/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a Linux kernel's image lies, seen through some vCPU's page tables.
 * Sources: Documentation/arch/x86/x86_64/mm.rst and arch/x86/mm/pti.c of Linux.
 */
#ifndef INTROSPECT_LOCATE_H
#define INTROSPECT_LOCATE_H

#include "introspect/error.h"
#include "introspect/space.h"

typedef struct {
    GuestVa start;          /* _text */
    gboolean five_levels;   /* of page tables */
    GArray *runs;           /* of IntroMapping, ascending: what of the image is mapped */
} IntroImage;

/* Looks at the registers of one vCPU after the other, without stopping them, until a kernel is seen.
 * INTRO_ERROR_NO_KERNEL says what was seen instead; INTRO_ERROR_UNSUPPORTED if the guest's memory is encrypted. */
IntroImage *intro_image_locate(const VmmReader *reader, GError **error);
void intro_image_free(IntroImage *image);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntroImage, intro_image_free)

/* Where in memory the image's address VA lies, with LENGTH bytes behind it in the same run. INTRO_ERROR_NOT_MAPPED. */
gboolean intro_image_translate(const IntroImage *image, GuestVa va, gsize length, GuestPa *pa, GError **error);

#endif
