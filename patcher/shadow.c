/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/shadow.h"

#include <string.h>

#include "patcher/error.h"

#define DEFINITIONS "\n#include <virt-livepatch-shadow.h>\n"

static gboolean
read_patched(const char *overlay, const PatchFile *file, char **path, char **text, GError **error)
{
    g_autoptr(GError) cause = NULL;

    *path = g_build_filename(overlay, file->path, NULL);
    if (g_file_get_contents(*path, text, NULL, &cause))
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", cause->message);
    return FALSE;
}

static gboolean
append(const char *overlay, const PatchFile *file, GError **error)
{
    g_autofree char *path = NULL, *text = NULL, *longer = NULL;
    g_autoptr(GError) cause = NULL;

    if (!read_patched(overlay, file, &path, &text, error))
        return FALSE;
    longer = g_strconcat(text, DEFINITIONS, NULL);
    if (g_file_set_contents(path, longer, -1, &cause))
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", cause->message);
    return FALSE;
}

/* The files that use any, and have an object of their own, to USERS; *IS_USED also if no such file does. */
static gboolean
find_users(const char *overlay, const PatchFiles *files, const PatchKbuild *kbuild, GPtrArray *users, gboolean *is_used,
           GError **error)
{
    *is_used = FALSE;
    for (guint i = 0; i < files->files->len; i++) {
        PatchFile *file = files->files->pdata[i];
        g_autofree char *path = NULL, *text = NULL;

        if (!read_patched(overlay, file, &path, &text, error))
            return FALSE;
        if (!strstr(text, "klp_shadow_"))
            continue;
        *is_used = TRUE;
        if (g_str_has_suffix(file->path, ".c") && patch_kbuild_has(kbuild, file->path))
            g_ptr_array_add(users, file);
    }
    return TRUE;
}

/* What is defined in one module, or in the kernel's image, is not seen in another. */
static gboolean
check_users(const GPtrArray *users, const PatchKbuild *kbuild, GError **error)
{
    const PatchFile *first = users->len ? users->pdata[0] : NULL;

    for (guint i = 1; i < users->len; i++) {
        const PatchFile *other = users->pdata[i];

        if (g_str_equal(patch_kbuild_module(kbuild, first->path), patch_kbuild_module(kbuild, other->path)))
            continue;
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "%s and %s are not of the same module, and both use shadow variables; this kernel has none of its own "
                    "(CONFIG_LIVEPATCH is off), and those that an update brings along are of one module, or of the kernel's image",
                    first->path, other->path);
        return FALSE;
    }
    if (first)
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                "the patch uses shadow variables in headers only; this kernel has none of its own (CONFIG_LIVEPATCH is off), and a "
                "C file of the patch has to use one for the update to bring them along");
    return FALSE;
}

gboolean
patch_shadow_add(const char *const *overlays, const PatchFiles *files, const PatchKbuild *kbuild, GError **error)
{
    g_autoptr(GPtrArray) users = g_ptr_array_new();
    gboolean is_used;

    if (!find_users(overlays[0], files, kbuild, users, &is_used, error) ||
        (is_used && !check_users(users, kbuild, error)))
        return FALSE;
    for (guint i = 0; is_used && overlays[i]; i++)
        if (!append(overlays[i], users->pdata[0], error))
            return FALSE;
    return TRUE;
}
