/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "patcher/build-private.h"
#include "patcher/error.h"

static char *
command_path(PatchBuild *build, const char *object)
{
    g_autofree char *flat = g_strdup(object);

    return g_build_filename(build->commands, g_strdelimit(flat, "/", '_'), NULL);
}

static gboolean
store_command(PatchBuild *build, const char *object, const char *text, GError **error)
{
    g_autofree char *path = command_path(build, object);
    g_autoptr(GError) cause = NULL;

    if (g_file_set_contents(path, text, -1, &cause))
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", cause->message);
    return FALSE;
}

/* Asks make, which prints nothing of what is built already. */
static gboolean
learn_unknown(PatchBuild *build, GPtrArray *objects, GError **error)
{
    g_autofree char *said = NULL;
    g_autoptr(GHashTable) texts = NULL;

    g_ptr_array_add(objects, NULL);
    if (!patch_build_make(build, "-n", (const char *const *) objects->pdata, &said, error))
        return FALSE;
    texts = patch_saved_cmd_texts(said);
    for (guint i = 0; objects->pdata[i]; i++) {
        const char *text = g_hash_table_lookup(texts, objects->pdata[i]);
        g_autoptr(PatchSavedCmd) saved = text ? patch_saved_cmd_parse(text, NULL) : NULL;

        if (saved && !store_command(build, objects->pdata[i], text, error))
            return FALSE;
        if (!saved) {
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "the kernel's build does not say how it makes %s",
                        (const char *) objects->pdata[i]);
            return FALSE;
        }
    }
    return TRUE;
}

gboolean
patch_build_knows(PatchBuild *build, const char *file)
{
    g_autofree char *object = patch_kbuild_target(build->kbuild, file), *path = command_path(build, object);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

gboolean
patch_build_learn(PatchBuild *build, const GPtrArray *files, GError **error)
{
    g_autoptr(GPtrArray) objects = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < files->len; i++)
        if (!patch_build_knows(build, files->pdata[i]))
            g_ptr_array_add(objects, patch_kbuild_target(build->kbuild, files->pdata[i]));
    return !objects->len || learn_unknown(build, objects, error);
}

PatchSavedCmd *
patch_build_saved_cmd(PatchBuild *build, const char *file, GError **error)
{
    g_autofree char *object = patch_kbuild_target(build->kbuild, file);
    g_autofree char *path = command_path(build, object);
    g_autofree char *text = NULL;
    g_autoptr(GError) cause = NULL;
    PatchSavedCmd *saved;

    if (!g_file_get_contents(path, &text, NULL, &cause)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", cause->message);
        return NULL;
    }
    saved = patch_saved_cmd_parse(text, error);
    if (!saved)
        g_prefix_error(error, "%s: ", object);
    return saved;
}

char *
patch_build_module(PatchBuild *build, const char *file, GError **error)
{
    g_autoptr(PatchSavedCmd) saved = patch_build_saved_cmd(build, file, error);

    return saved ? patch_saved_cmd_module(saved, error) : NULL;
}
