/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Applying and undoing, with the hooks of those updates that have some:
 *
 *     place new code and data -> pre-apply -> switch over to them -> post-apply
 *                                  | refuses      | is not possible
 *                                  v              v
 *                               post-undo and release, unless a hook has faulted or goes on
 *                                         v
 *                               take out what was placed
 *
 *     pre-undo -> switch back -> post-undo -> release, unless a hook has faulted or goes on -> take out
 *        | refuses: nothing is changed
 *
 * Without hooks, all of it is done at once. Where the guest's kernel has no room, some is got first (room.h), and is given
 * back in the end.
 */
#ifndef PATCHER_STAGES_H
#define PATCHER_STAGES_H

#include "patcher/hooks.h"

typedef struct {
    const PatchGuest *guest;
    double timeout_s;           /* how long to try for a safe moment */
    PatchCommitReport *report;  /* is added to */
    GPtrArray *hooks;           /* of PatchHookResult; is added to */
} PatchStages;

/* Both return the plan of the change itself, to be freed. Once that is made, no hook's result makes it an error: HOOKS
 * tells. */
PatchPlan *patch_stages_apply(const PatchStages *stages, const PatchUpdate *update, gboolean replace, GError **error);

/* ID: NULL for all. KEEP_DATA as in plan-undo.h. */
PatchPlan *patch_stages_undo(const PatchStages *stages, const char *id, gboolean keep_data, GError **error);

#endif
