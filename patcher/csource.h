/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a function stands in a C source, by the kernel's way of writing: it begins and ends in the first column.
 */
#ifndef PATCHER_CSOURCE_H
#define PATCHER_CSOURCE_H

#include <glib.h>

/* The lines of function NAME (the compiler's name, clones and system calls included) in TEXT: from 1, inclusive. */
gboolean patch_csource_find(const char *text, const char *name, guint *first, guint *last);

#endif
