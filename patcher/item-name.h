/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What compilers make of the names in a source. */
#ifndef PATCHER_ITEM_NAME_H
#define PATCHER_ITEM_NAME_H

#include <glib.h>

/* NAME without the numbers that the compiler and the kernel's macros give out; to be freed. */
char *patch_plain_name(const char *name);

/* The function that the function NAME is a .cold part of, or NAME itself; to be freed. */
char *patch_whole_name(const char *name);

#endif
