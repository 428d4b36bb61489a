/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * New functions and variables that one object of a patch adds and others use: they are nowhere in the running kernel, so
 * the objects that share them become one in the update, or share copies.
 */
#ifndef PATCHER_MERGE_H
#define PATCHER_MERGE_H

#include "patcher/build.h"
#include "patcher/object.h"
#include "patcher/update.h"

/* Set of char *: what the patched object of one of FILES (of PatchFile, all built) adds for all to see and that of
 * another refers to, or, with OTHERS, may be referred to by files that are not known yet. Objects that cannot be built or
 * read count as empty. */
GHashTable *patch_merge_shared(PatchBuild *build, const GPtrArray *files, gboolean others);

/* A name that all can see and that moves from the object number FROM to number TO (of PatchElf, before and after the patch;
 * NULL for one that cannot be read). Owned by one of them; NULL if there is none. */
const char *patch_merge_moved(const GPtrArray *old_elfs, const GPtrArray *new_elfs, guint *from, guint *to);

/* Refuses what moves between the objects of FILES: who calls it from elsewhere goes on calling the old one.
 * PATCH_ERROR_DOES_NOT_FIT names it. */
gboolean patch_merge_check_moves(PatchBuild *build, const GPtrArray *files, GError **error);

/* Makes one of those OBJECTS (of PatchObject) of which one refers to a piece of another that is in SHARED; parts of
 * different modules share copies (copy-piece.h). What then replaces nothing is left out. PATCH_ERROR_DOES_NOT_FIT: what
 * cannot be copied. */
gboolean patch_merge(GPtrArray *objects, GHashTable *shared, GError **error);

#endif
