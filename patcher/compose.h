/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An update's part for one object file: what the patch of its source changed, and what that takes.
 */
#ifndef PATCHER_COMPOSE_H
#define PATCHER_COMPOSE_H

#include "patcher/build.h"
#include "patcher/update.h"

/* For FILE, a patched C file whose object BUILD has made as it is. Returns NULL without an error if nothing that a
 * running kernel uses changed in meaning; BOOT_ONLY, if not set yet, is then set to the name (to be freed) of a
 * function that runs at boot only and did change, if there is one. PATCH_ERROR_DOES_NOT_FIT: it holds what an update
 * cannot carry; FAILED: the build. */
PatchObject *patch_compose_object(PatchBuild *build, const PatchFile *file, char **boot_only, GError **error);

#endif
