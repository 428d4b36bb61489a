/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the sources that compose an object's part of an update share. */
#ifndef PATCHER_COMPOSE_PRIVATE_H
#define PATCHER_COMPOSE_PRIVATE_H

#include "patcher/carry.h"
#include "patcher/compose.h"
#include "patcher/new-code.h"
#include "patcher/reasons.h"

typedef struct {
    PatchBuild *build;
    const PatchFile *file;
    PatchObject *object;
    PatchElf *running, *old_elf, *new_elf, *code_elf;
    PatchDiff *diff;                /* of old and new: what changed */
    PatchDiff *code_diff;           /* of old and code: what new code refers to; the same one where new code can be
                                       taken as the kernel's build makes it */
    PatchCarry carry;               /* which functions to replace */
    GPtrArray *findings;            /* of PatchFinding */
    PatchCompose *compose;
    PatchReasons *reasons;
    PatchOldCode *old;
    PatchNewCode *code;
} PatchJob;

/* The file's object in VARIANT, made and read. */
PatchElf *patch_compose_build(const PatchJob *job, PatchBuildVariant variant, GError **error);

/* Finds what changed in meaning: diff, findings, and what there is of carry.replaced. */
gboolean patch_compose_find_changes(PatchJob *job, GError **error);

/* The kernel's own build may compile a function in another way than one with a section for each (inline what changed, say),
 * and then it does not tell by the latter that it changed. Compares such as they run, and adds them to carry.replaced. */
gboolean patch_compose_find_changes_as_run(PatchJob *job, GError **error);

/* Whether any setting may be of this object; and puts those that are into it. */
gboolean patch_compose_has_settings(const PatchJob *job);
gboolean patch_compose_add_settings(PatchJob *job, GError **error);

#endif
