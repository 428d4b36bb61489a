/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "patcher/error.h"

static gboolean
fail(GError **error, const char *what, const char *path)
{
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "cannot %s %s: %s", what, path, g_strerror(errno));
    return FALSE;
}

static char *
root_folder(void)
{
    const char *base = g_getenv("XDG_CACHE_HOME");

    if (!base || !g_path_is_absolute(base))
        base = geteuid() == 0 ? "/var/cache" : g_get_user_cache_dir();
    return g_build_filename(base, "virt-livepatch", NULL);
}

/* What lies in the cache decides what is built from it, so nobody else may be able to write there. */
static gboolean
make_private_folder(const char *path, GError **error)
{
    struct stat status;

    if (g_mkdir_with_parents(path, 0700) != 0 || lstat(path, &status) != 0)
        return fail(error, "make the cache folder", path);
    if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || status.st_mode & 022) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED,
                    "the cache folder %s is not a folder that only you can write to; remove it", path);
        return FALSE;
    }
    return TRUE;
}

static gboolean
lock_wholly(int lock, int kind)
{
    while (flock(lock, kind) != 0)
        if (errno != EINTR)
            return FALSE;
    return TRUE;
}

/* Whoever makes the folder is alone in it; all others share it. */
static gboolean
take_lock(PatchCache *cache, void (*say)(const char *text), GError **error)
{
    g_autofree char *path = g_build_filename(cache->folder, "lock", NULL);

    cache->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (cache->lock < 0)
        return fail(error, "open", path);
    cache->is_alone = flock(cache->lock, LOCK_EX | LOCK_NB) == 0;
    if (cache->is_alone)
        return TRUE;
    if (say && !patch_cache_is_complete(cache))
        say("waiting for another create that prepares the same build");
    if (!lock_wholly(cache->lock, LOCK_SH))
        return fail(error, "lock", path);
    if (patch_cache_is_complete(cache))
        return TRUE;
    cache->is_alone = lock_wholly(cache->lock, LOCK_EX);
    return cache->is_alone || fail(error, "lock", path);
}

void
patch_cache_share(PatchCache *cache)
{
    cache->is_alone = FALSE;
    lock_wholly(cache->lock, LOCK_SH);
}

int
patch_cache_hold(const PatchCache *cache, const char *name)
{
    g_autofree char *path = g_build_filename(cache->folder, name, NULL);
    int held = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (held >= 0)
        lock_wholly(held, LOCK_EX);
    return held;
}

PatchCache *
patch_cache_open(const char *key, void (*say)(const char *text), GError **error)
{
    g_autofree char *root = root_folder();
    g_autoptr(PatchCache) cache = g_new0(PatchCache, 1);

    cache->folder = g_build_filename(root, key, NULL);
    cache->lock = -1;
    if (!make_private_folder(root, error) || !make_private_folder(cache->folder, error) ||
        !take_lock(cache, say, error))
        return NULL;
    return g_steal_pointer(&cache);
}

void
patch_cache_close(PatchCache *cache)
{
    if (!cache)
        return;
    if (cache->lock >= 0)
        close(cache->lock);
    g_free(cache->folder);
    g_free(cache);
}

gboolean
patch_cache_is_complete(const PatchCache *cache)
{
    g_autofree char *stamp = g_build_filename(cache->folder, "complete", NULL);

    return g_file_test(stamp, G_FILE_TEST_EXISTS);
}

gboolean
patch_cache_set_complete(const PatchCache *cache, GError **error)
{
    g_autofree char *stamp = g_build_filename(cache->folder, "complete", NULL);
    g_autoptr(GError) cause = NULL;

    if (g_file_set_contents_full(stamp, "", 0, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &cause))
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", cause->message);
    return FALSE;
}
