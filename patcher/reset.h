/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest can be reset at any time. Its memory may look as it did for a while after that, and then makes no sense any more.
 */
#ifndef PATCHER_RESET_H
#define PATCHER_RESET_H

#include "patcher/guest.h"

/* PATCH_ERROR_NOT_NOW, which says that the guest has been reset. Always FALSE. */
gboolean patch_reset_set_error(GError **error);

/* In a pause: whether some vCPU runs the kernel that was looked at. None does right after a reset; nor while all of them execute
 * guests of the guest's. */
gboolean patch_reset_runs_kernel(const PatchGuest *guest, const VmmPause *pause);

/* Whether what went wrong, FAILURE, did so because the guest has been reset: then it says that instead. */
void patch_reset_explain(const PatchGuest *guest, GError **failure);

#endif
