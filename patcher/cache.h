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
} PatchCache;

/* Opens the folder for KEY (letters and digits), making it if need be, and waits until nobody else uses it. It lies in
 * $XDG_CACHE_HOME/virt-livepatch or ~/.cache/virt-livepatch, for root in /var/cache/virt-livepatch, and belongs to the
 * user alone. SAY (may be NULL) is told of a wait. */
PatchCache *patch_cache_open(const char *key, void (*say)(const char *text), GError **error);
void patch_cache_close(PatchCache *cache);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchCache, patch_cache_close)

/* A folder whose making was interrupted is recognised by the lack of a stamp, which is written last. */
gboolean patch_cache_is_complete(const PatchCache *cache);
gboolean patch_cache_set_complete(const PatchCache *cache, GError **error);

#endif
