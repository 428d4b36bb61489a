/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where prepared kernel builds are kept from one `create` to the next, one folder each.
 */
#ifndef PATCHER_CACHE_H
#define PATCHER_CACHE_H

#include <glib.h>

typedef struct {
    char *folder;
    int lock;                   /* file descriptor; closing it lets the next one in */
    gboolean is_alone;          /* nobody else uses the folder */
} PatchCache;

/* Opens the folder for KEY (letters, digits, dots and hyphens), making it if need be. It lies in
 * $XDG_CACHE_HOME/virt-livepatch or ~/.cache/virt-livepatch, for root in /var/cache/virt-livepatch, and belongs to the
 * user alone. A folder that is not complete is ours alone, until patch_cache_share; SAY (may be NULL) is told of the wait
 * for that. One that is complete is ours alone only if nobody uses it. */
PatchCache *patch_cache_open(const char *key, void (*say)(const char *text), GError **error);
void patch_cache_close(PatchCache *cache);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchCache, patch_cache_close)

/* Lets others in; for when the folder is complete, and is only added to. */
void patch_cache_share(PatchCache *cache);

/* Waits until nobody else holds what NAME stands for; returns a file descriptor, and to close it is to let go. -1: cannot
 * be held. */
int patch_cache_hold(const PatchCache *cache, const char *name);

/* A folder whose making was interrupted is recognised by the lack of a stamp, which is written last. */
gboolean patch_cache_is_complete(const PatchCache *cache);
gboolean patch_cache_set_complete(const PatchCache *cache, GError **error);

#endif
