/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A source tree with some files changed, without a copy of it: only the folders on the way to a changed file are real,
 * everything else is a symbolic link into the original tree.
 */
#ifndef PATCHER_OVERLAY_H
#define PATCHER_OVERLAY_H

#include "patcher/patchfile.h"

/* Makes FOLDER (which must not exist) look like SOURCE with FILES applied, and sets the edits of each of FILES. KEEP_LINES:
 * what is not changed keeps its line numbers (linemarks.h). */
gboolean patch_overlay_make(const char *folder, const char *source, PatchFiles *files, gboolean keep_lines, GError **error);

/* Makes the folder PATH (within the tree) of the overlay FOLDER of SOURCE a real one, and all on the way to it, so that
 * ".." leads out of it to the overlay again. */
gboolean patch_overlay_open(const char *folder, const char *source, const char *path, GError **error);

/* Removes FOLDER and what is in it; links are removed, not followed. Nothing there: TRUE. */
gboolean patch_overlay_remove(const char *folder, GError **error);

#endif
