/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How far a change to a header goes (or to any file that others include): which C files are compiled into other code
 * because of it. First by the text alone, of all files that are built; then by what the preprocessor makes of those that
 * are left.
 */
#ifndef PATCHER_REACH_H
#define PATCHER_REACH_H

#include "patcher/build.h"

/* Names (of char *) of the compiled files whose code may depend on what FILES change in files that they include; those
 * that FILES change themselves are left out. SAY (may be NULL) is told how much there is to do. FOUND (a byte for each
 * of FILES) is set for those that anything includes. PATCH_ERROR_FAILED: the preprocessor. */
GPtrArray *patch_reach(PatchBuild *build, const PatchFiles *files, guint8 *found, void (*say)(const char *text),
                       GError **error);

#endif
