/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/overlay.h"

#include <errno.h>
#include <ftw.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "patcher/error.h"
#include "patcher/linemarks.h"

static gboolean
fail(GError **error, const char *what, const char *path)
{
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "cannot %s %s: %s", what, path, g_strerror(errno));
    return FALSE;
}

/* Makes FOLDER a real folder whose entries all link to those of ORIGINAL. */
static gboolean
make_linked_folder(const char *folder, const char *original, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GDir) entries = g_dir_open(original, 0, &cause);
    const char *name;

    if (!entries) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", cause->message);
        return FALSE;
    }
    if (g_mkdir(folder, 0700) != 0)
        return fail(error, "make", folder);
    while ((name = g_dir_read_name(entries))) {
        g_autofree char *target = g_build_filename(original, name, NULL);
        g_autofree char *link = g_build_filename(folder, name, NULL);

        if (symlink(target, link) != 0)
            return fail(error, "make", link);
    }
    return TRUE;
}

static gboolean
ensure_real_folder(const char *folder, const char *original, GError **error)
{
    if (g_file_test(folder, G_FILE_TEST_IS_SYMLINK) && g_unlink(folder) != 0)
        return fail(error, "replace", folder);
    if (g_file_test(folder, G_FILE_TEST_IS_DIR))
        return TRUE;
    return make_linked_folder(folder, original, error);
}

/* The text of FILE as it is in SOURCE; to be freed. */
static char *
read_unpatched(const char *source, const PatchFile *file, GError **error)
{
    g_autofree char *original = g_build_filename(source, file->path, NULL), *outer = g_path_get_dirname(original);
    char *text = NULL;

    if (file->is_new && g_file_test(outer, G_FILE_TEST_IS_DIR) && !g_file_test(original, G_FILE_TEST_EXISTS))
        return g_strdup("");
    if (file->is_new)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, "the patch adds %s, %s", file->path,
                    g_file_test(original, G_FILE_TEST_EXISTS) ? "which is in the source already"
                                                              : "in a folder that is not in the source");
    else if (!g_file_test(original, G_FILE_TEST_IS_REGULAR) || !g_file_get_contents(original, &text, NULL, NULL))
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, "the patch changes %s, which is not in the source",
                    file->path);
    return text;
}

static gboolean
place_file(const char *folder, const char *source, PatchFile *file, gboolean keep_lines, GError **error)
{
    g_autofree char *place = g_build_filename(folder, file->path, NULL);
    g_autofree char *text = read_unpatched(source, file, error);
    g_autofree char *patched = text ? patch_file_apply(file, text, error) : NULL, *marked = NULL;
    g_autoptr(GError) cause = NULL;

    if (!patched)
        return FALSE;
    if (!file->is_new && g_unlink(place) != 0)
        return fail(error, "replace", place);
    marked = keep_lines ? patch_line_marks_add(file, patched) : NULL;
    if (!g_file_set_contents(place, marked ? marked : patched, -1, &cause)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", cause->message);
        return FALSE;
    }
    return TRUE;
}

gboolean
patch_overlay_open(const char *folder, const char *source, const char *path, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    g_autofree char *real = g_strdup(folder), *original = g_strdup(source);

    for (char **part = parts; *part; part++) {
        g_autofree char *outer_real = real, *outer_original = original;

        real = g_build_filename(outer_real, *part, NULL);
        original = g_build_filename(outer_original, *part, NULL);
        if (!g_file_test(original, G_FILE_TEST_IS_DIR))
            return TRUE;
        if (!ensure_real_folder(real, original, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
patch_overlay_make(const char *folder, const char *source, PatchFiles *files, gboolean keep_lines, GError **error)
{
    if (!make_linked_folder(folder, source, error))
        return FALSE;
    for (guint i = 0; i < files->files->len; i++) {
        PatchFile *file = files->files->pdata[i];
        g_autofree char *outer = g_path_get_dirname(file->path);

        if (!patch_overlay_open(folder, source, outer, error) || !place_file(folder, source, file, keep_lines, error))
            return FALSE;
    }
    return TRUE;
}

static int
remove_entry(const char *path, const struct stat *status, int kind, struct FTW *position)
{
    return remove(path);
}

gboolean
patch_overlay_remove(const char *folder, GError **error)
{
    if (nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        return fail(error, "remove", folder);
    return TRUE;
}
