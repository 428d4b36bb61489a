/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shadow variables for a kernel that has none: the patch's own files bring them along (kernel-headers/virt-livepatch-shadow.h).
 */
#ifndef PATCHER_SHADOW_H
#define PATCHER_SHADOW_H

#include "patcher/kbuild.h"
#include "patcher/patchfile.h"

/* Has one of FILES, as they are in the folders OVERLAYS (overlay.h; NULL-terminated), define what they use of shadow variables.
 * PATCH_ERROR_DOES_NOT_FIT: they cannot share what one of them defines. */
gboolean patch_shadow_add(const char *const *overlays, const PatchFiles *files, const PatchKbuild *kbuild, GError **error);

#endif
