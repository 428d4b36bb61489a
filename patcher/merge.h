/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * New functions and variables that one object of a patch adds and others use: they are nowhere in the running kernel, so
 * the objects that share them become one in the update.
 */
#ifndef PATCHER_MERGE_H
#define PATCHER_MERGE_H

#include "patcher/build.h"
#include "patcher/update.h"

/* Set of char *: what the patched object of one of FILES (of PatchFile, all built) adds for all to see and that of
 * another refers to, or, with OTHERS, may be referred to by files that are not known yet. Objects that cannot be built or
 * read count as empty. */
GHashTable *patch_merge_shared(PatchBuild *build, const GPtrArray *files, gboolean others);

/* Makes one of those OBJECTS (of PatchObject) of which one refers to a piece of another that is in SHARED; they have to
 * be of one module. PATCH_ERROR_DOES_NOT_FIT: they are not. */
gboolean patch_merge(GPtrArray *objects, GHashTable *shared, GError **error);

#endif
