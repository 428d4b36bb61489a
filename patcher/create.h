/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a source patch to an update.
 */
#ifndef PATCHER_CREATE_H
#define PATCHER_CREATE_H

#include "patcher/update.h"

typedef struct {
    const char *debian;         /* version of a Debian kernel; or NULL, and */
    const char *source;         /* kernel source tree, never written to; and */
    const char *config;         /* file with the running kernel's config; NULL: .config of a source that was built in */
    const char *vmlinux;        /* ELF file whose build-id the update is bound to; may be NULL */
    const char *description;    /* may be NULL */
    const char *patch;          /* file with the source patch; may be NULL if there are settings */
    const GPtrArray *settings;  /* of PatchSetting: data to change */
    guint force;                /* classes of findings to override (finding.h), a bit each */
    gboolean quiet;             /* no progress on the terminal */
} PatchCreateOptions;

/* PATCH_ERROR_USAGE: the arguments; DOES_NOT_FIT: the patch does not apply, or holds what an update cannot carry;
 * FAILED: the build. */
PatchUpdate *patch_create(const PatchCreateOptions *options, GError **error);

#endif
