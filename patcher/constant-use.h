/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What C code does with a constant: one that only counts the others of its enumeration bounds arrays and loops, and is
 * nobody's state.
 */
#ifndef PATCHER_CONSTANT_USE_H
#define PATCHER_CONSTANT_USE_H

#include <glib.h>

typedef enum {
    PATCH_CONSTANT_STORED = 1 << 0,     /* by itself: assigned or returned */
    PATCH_CONSTANT_COMPARED = 1 << 1,   /* by == or !=, or as a case */
} PatchConstantUse;

/* What is done with NAME anywhere in TEXT, which the preprocessor has been over: bits. */
guint patch_constant_use(const char *text, gsize length, const char *name);

#endif
