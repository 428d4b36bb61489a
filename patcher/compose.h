/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An update's part for one object file: what the patch of its source changed, and what that takes.
 */
#ifndef PATCHER_COMPOSE_H
#define PATCHER_COMPOSE_H

#include "patcher/build.h"
#include "patcher/update.h"

typedef struct {
    guint force;                /* classes of findings (finding.h) to override, a bit each */
    guint used;                 /* those of them that were found; added to */
    GHashTable *shared;         /* set of char *: what is new in one object and used by another (merge.h) */
    GPtrArray *notes;           /* of char *: what the user should know, though it is no obstacle; added to */
    const GPtrArray *settings;  /* of PatchSetting: data to change */
    GHashTable *settled;        /* PatchSetting -> char *: those that were found, and the file; added to */
    GHashTable *count_uses;     /* char * -> bits of PatchConstantUse: what objects do with constants that seem to count
                                   others; added to */
} PatchCompose;

/* For FILE, a patched C file whose object BUILD has made as it is. Returns NULL without an error if nothing that a
 * running kernel uses changed in meaning. PATCH_ERROR_DOES_NOT_FIT: it holds what an update cannot carry; FAILED: the
 * build. */
PatchObject *patch_compose_object(PatchBuild *build, const PatchFile *file, PatchCompose *compose, GError **error);

/* The same for a C file that the patch does not reach, and that only settings speak of. */
PatchObject *patch_compose_settings(PatchBuild *build, const PatchFile *file, PatchCompose *compose, GError **error);

#endif
