/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The macros that a C text defines, as they stand there.
 */
#ifndef PATCHER_CMACROS_H
#define PATCHER_CMACROS_H

#include <glib.h>

typedef struct {
    char *name;
    gboolean has_parameters;
    const char *body;           /* in the text: from behind the name on */
    gsize length;
    guint first, last;          /* lines, from 1 */
} PatchMacro;

/* Of PatchMacro, in their order; to be unreffed while TEXT is there. */
GArray *patch_cmacros_read(const char *text);

/* Whether a constant is called as if it only counted others. */
gboolean patch_counts_by_name(const char *name);

/* What is wrong with giving the macros of OLD_TEXT the values that they have in NEW_TEXT, where they number flags or states:
 * one has another value, and a new one of its family has the old one. NULL if nothing is; to be freed. NAME is set to the
 * first, to be freed. */
char *patch_cmacros_renumbered(const char *old_text, const char *new_text, char **name);

#endif
