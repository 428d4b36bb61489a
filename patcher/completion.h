/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may stand where somebody is typing a command: commands, guests, ids of updates.
 */
#ifndef PATCHER_COMPLETION_H
#define PATCHER_COMPLETION_H

#include "patcher/command.h"

typedef enum {
    PATCH_COMPLETE_NOTHING,     /* nothing is known of what belongs there */
    PATCH_COMPLETE_COMMAND,
    PATCH_COMPLETE_GUEST,
    PATCH_COMPLETE_ID,          /* of an update that is installed in the guest named before */
    PATCH_COMPLETE_FILE,
} PatchCompletion;

/* What the next word after the command line BEFORE is to be. *GUEST is the guest named in it, or NULL; to be freed. */
PatchCompletion patch_completion_kind(const PatchCommand *const *commands, const char *before, char **guest);

/* Of what `view` says as JSON: the ids in it, to be freed. */
GStrv patch_completion_ids(const char *view);

#endif
