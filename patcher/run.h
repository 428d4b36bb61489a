/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running another program, never through a shell.
 */
#ifndef PATCHER_RUN_H
#define PATCHER_RUN_H

#include <glib.h>

/* Runs ARGV in FOLDER (NULL: the current one) with an environment of PATH, HOME, TMPDIR, what apt needs, and LC_ALL=C
 * only, so that what comes out does not depend on the caller's. OUTPUT (may be NULL) receives standard output, to be freed. May be called
 * from several threads at a time.
 * PATCH_ERROR_FAILED: the program cannot be started or fails; the message holds what it wrote, or the end of it. */
gboolean patch_run(const char *folder, const char *const *argv, char **output, GError **error);

/* From now on, a signal that ends this process (INT, TERM, HUP) first ends the programs that patch_run started and all
 * that they started. May be called more than once. */
void patch_run_ends_with_us(void);

/* The folder that such a signal also removes, with what is in it; NULL: none any more. One at a time. */
void patch_run_set_scratch(const char *folder);

#endif
