/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Source and configuration of a Debian kernel, through apt: with this machine's sources, but with package lists, cache
 * and files in a cache folder of our own. Nothing is installed.
 */
#ifndef PATCHER_DEBIAN_H
#define PATCHER_DEBIAN_H

#include "patcher/cache.h"

typedef struct {
    PatchCache *cache;          /* held, so that nobody makes it anew meanwhile */
    char *source;               /* folder */
    char *config;               /* file, with the name that it has in /boot */
} PatchDebian;

/* WANTED is a package version, as 6.1.190-1, or VERSION/FLAVOUR, as 6.1.190-1/amd64; without, the flavour is
 * cloud-amd64. What was fetched once is not fetched again. SAY (may be NULL) is told what is being done.
 * PATCH_ERROR_USAGE: WANTED is no version; FAILED: apt has no such kernel, or cannot fetch it. */
PatchDebian *patch_debian_fetch(const char *wanted, void (*say)(const char *text), GError **error);
void patch_debian_free(PatchDebian *debian);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchDebian, patch_debian_free)

/* Name of the package in MADISON (what `apt-cache madison` prints) that has VERSION, to be freed; NULL: none. */
char *patch_debian_find_image(const char *madison, const char *version);

#endif
