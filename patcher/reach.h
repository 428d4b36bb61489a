/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How far a change to a header goes (or to any file that others include): which C files are compiled into other code
 * because of it. First by the text alone, of all files that are built; then by what the preprocessor makes of those that
 * are left.
 */
#ifndef PATCHER_REACH_H
#define PATCHER_REACH_H

#include "patcher/build.h"

typedef struct PatchReach PatchReach;

/* Finds, by the text, the candidates among the compiled files: their code may depend on what FILES change in files that they
 * include; those that FILES change themselves are left out. SAY (may be NULL) is told how much there is to do. FOUND (a byte
 * for each of FILES) is set for those that anything includes. BUILD is borrowed. PATCH_ERROR_DOES_NOT_FIT: code in assembly
 * may; FAILED: the build. */
PatchReach *patch_reach_new(PatchBuild *build, const PatchFiles *files, guint8 *found, void (*say)(const char *text),
                            GError **error);
void patch_reach_free(PatchReach *reach);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchReach, patch_reach_free)

/* Names (of char *), sorted. */
const GPtrArray *patch_reach_candidates(const PatchReach *reach);

/* Whether the candidate FILE does depend on it, by what the preprocessor makes of it. May be called by several threads at a
 * time. PATCH_ERROR_FAILED: the preprocessor; then FALSE, too. */
gboolean patch_reach_touches(const PatchReach *reach, const char *file, GError **error);

#endif
