/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmlinux's own symbol tables, recognised in the image by their structure alone, and unpacked.
 * Format: scripts/kallsyms.c and kernel/kallsyms.c of Linux.
 *
 * The tables lie in read-only data in one of two orders, and addresses are encoded in one of three ways; which, is
 * seen from the content:
 *
 *     until 6.3    offsets, relative base, number, names, markers, [order of names,] token table, token index
 *     since 6.4    number, names, markers, token table, token index, offsets, [relative base,] order of names
 */
#ifndef INTROSPECT_KALLSYMS_H
#define INTROSPECT_KALLSYMS_H

#include "introspect/symbols.h"

/* A copy of a part of the image. */
typedef struct {
    const guint8 *data;     /* borrowed */
    gsize length;           /* bytes */
    GuestVa va;             /* of the data's first byte; page-aligned */
    GuestVa image_start;    /* where the whole image begins */
} IntroImagePart;

/* INTRO_ERROR_NOT_FOUND if there are no symbol tables in this part. The group has no regions yet. */
IntroSymbolGroup *intro_kallsyms_find(const IntroImagePart *part, GError **error);

#endif
