/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pointers in the kernel's own variables and in its modules': where a list of callbacks begins, or another one of its links is. What
 * it has allocated is not looked at, nor what belongs to one CPU, nor any stack: a pointer there may be one that nobody uses any more.
 */
#ifndef INTROSPECT_REFERENCES_H
#define INTROSPECT_REFERENCES_H

#include "introspect/kernel.h"

typedef struct {
    GuestVa at, to;
} IntroReference;

typedef gboolean (*IntroReferenceFilter)(GuestVa to, gconstpointer data);

/* Whether the kernel's symbols tell where its variables are. */
gboolean intro_references_are_known(const IntroKernel *kernel, GError **error);

/* Appends to FOUND (of IntroReference) those that FILTER takes. INTRO_ERROR_CORRUPT: the kernel claims to have more variables than
 * there can be. */
gboolean intro_references_find(const IntroKernel *kernel, IntroReferenceFilter filter, gconstpointer data, GArray *found, GError **error);

#endif
