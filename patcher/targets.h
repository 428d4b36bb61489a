/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The objects that a source patch may change: those of the C files that it touches, and of the C files into which what
 * it touches is included, as far as they are built and use what changed.
 */
#ifndef PATCHER_TARGETS_H
#define PATCHER_TARGETS_H

#include "patcher/reach.h"

typedef struct {
    GPtrArray *direct;          /* of const PatchFile: C files that the patch touches and that are compiled, by path */
    PatchReach *reach;          /* the others; NULL: there are none */
    guint8 *found;              /* a byte for each file of the patch: something includes it */
    gboolean may_reach;         /* there may be others: the patch touches what files include */
} PatchTargets;

/* Finds the direct targets of FILES, which is borrowed. PATCH_ERROR_DOES_NOT_FIT: FILES touches what cannot be
 * updated. */
PatchTargets *patch_targets_find(PatchBuild *build, const PatchFiles *files, GError **error);
void patch_targets_free(PatchTargets *targets);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchTargets, patch_targets_free)

/* Finds what may be the others: SAY (may be NULL) is told. PATCH_ERROR_DOES_NOT_FIT: nothing that FILES touches is built, or
 * something that cannot be updated is. */
gboolean patch_targets_reach(PatchTargets *targets, PatchBuild *build, const PatchFiles *files,
                             void (*say)(const char *text), GError **error);

/* With N_REACHED of the others, refuses where there is nothing to update. */
gboolean patch_targets_check(const PatchTargets *targets, const PatchFiles *files, guint n_reached, GError **error);

/* Builds what the update will most likely need of FILE. Several threads may do so, each for another file. */
void patch_targets_prepare(PatchBuild *build, const char *file);

/* Has BUILD build what is probably needed of FILES (of PatchFile), on all processors. */
gboolean patch_targets_build(PatchBuild *build, const GPtrArray *files, GError **error);

#endif
