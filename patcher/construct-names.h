/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names in constructs, as numbers.
 */
#ifndef PATCHER_CONSTRUCT_NAMES_H
#define PATCHER_CONSTRUCT_NAMES_H

#include "patcher/constructs.h"

/* Number of a name, which is given one when it is met first. */
guint32 patch_constructs_number(PatchConstructs *constructs, const char *start, gsize length);

/* Whether it is none: a keyword, or what else stands before a name. */
gboolean patch_constructs_is_keyword(guint32 id);

/* Whether IDS (of guint32), the names in a condition, are such as mean the same in all of the kernel: those of the config, and
 * those that keep a header from being included twice. */
gboolean patch_constructs_are_settings(const PatchConstructs *constructs, const GArray *ids);

/* Appends IDS (of guint32; is sorted), each one once and no keyword, to the numbers of CONSTRUCTS. Returns how many. */
guint32 patch_constructs_keep(PatchConstructs *constructs, GArray *ids);

#endif
