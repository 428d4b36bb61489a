/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/cleantree.h"

#include <errno.h>
#include <fts.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "patcher/error.h"

/* What the kernel's build makes and refuses to find (outputmakefile in its Makefile). */
static const char *const generated[] = {
    ".config", ".config.old", "include/config", "include/generated", "arch/x86/include/generated",
};

gboolean
patch_clean_tree_is_needed(const char *source)
{
    for (gsize i = 0; i < G_N_ELEMENTS(generated); i++) {
        g_autofree char *path = g_build_filename(source, generated[i], NULL);

        if (g_file_test(path, G_FILE_TEST_EXISTS))
            return TRUE;
    }
    return FALSE;
}

/* What Kbuild makes it makes with a command that it keeps beside it, in .NAME.cmd. */
static gboolean
is_built(const char *path, const char *name)
{
    static const char *const suffixes[] = { ".o", ".a", ".ko", ".mod", ".cmd", ".order", ".d" };
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *command = g_strdup_printf("%s/.%s.cmd", folder, name);

    for (gsize i = 0; i < G_N_ELEMENTS(suffixes); i++)
        if (g_str_has_suffix(name, suffixes[i]))
            return TRUE;
    return g_str_has_prefix(name, ".tmp_") || g_file_test(command, G_FILE_TEST_EXISTS);
}

static gboolean
is_left_out(const char *relative)
{
    for (gsize i = 0; i < G_N_ELEMENTS(generated); i++)
        if (g_str_equal(relative, generated[i]))
            return TRUE;
    return g_str_equal(relative, ".git");
}

static gboolean
take_entry(FTS *tree, FTSENT *entry, const char *folder, const char *source)
{
    const char *relative = entry->fts_path + strlen(source);
    g_autofree char *place = NULL;

    relative += *relative == '/';
    place = g_build_filename(folder, relative, NULL);
    if (entry->fts_info == FTS_DP)
        return TRUE;
    if (is_left_out(relative)) {
        fts_set(tree, entry, FTS_SKIP);
        return TRUE;
    }
    if (entry->fts_info == FTS_D)
        return g_mkdir(place, 0700) == 0;
    return is_built(entry->fts_path, entry->fts_name) || symlink(entry->fts_path, place) == 0;
}

gboolean
patch_clean_tree_make(const char *folder, const char *source, GError **error)
{
    char *const roots[] = { (char *) source, NULL };
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    FTSENT *entry;
    gboolean ok = tree != NULL;

    while (ok && (entry = fts_read(tree)))
        ok = take_entry(tree, entry, folder, source);
    if (!ok)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "cannot make %s: %s", folder, g_strerror(errno));
    if (tree)
        fts_close(tree);
    return ok;
}
