/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running another program, never through a shell.
 */
#ifndef PATCHER_RUN_H
#define PATCHER_RUN_H

#include <glib.h>

/* Runs ARGV in FOLDER (NULL: the current one) with an environment of PATH, HOME, TMPDIR and LC_ALL=C only, so that what
 * comes out does not depend on the caller's. OUTPUT (may be NULL) receives standard output, to be freed.
 * PATCH_ERROR_FAILED: the program cannot be started or fails; the message holds the end of what it wrote. */
gboolean patch_run(const char *folder, const char *const *argv, char **output, GError **error);

#endif
