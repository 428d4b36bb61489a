/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line in the guest's kernel log that says what was done to its kernel, for whoever reads it there.
 */
#ifndef PATCHER_GUEST_LOG_H
#define PATCHER_GUEST_LOG_H

#include "patcher/runner.h"

/* Has the guest's kernel log "virt-livepatch: TEXT". ID is the update concerned. The stops are added to PAUSES. Errors as
 * of patch_runner_call(): the update itself is none the worse for them. */
gboolean patch_guest_log(const PatchGuest *guest, const char *id, const char *text, PatchPauses *pauses, GError **error);

#endif
