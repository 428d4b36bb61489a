/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/targets.h"

#include <string.h>

#include "patcher/error.h"
#include "patcher/reach.h"

/* Objects whose every variant is built at once; of more, most may turn out not to be needed. */
#define MAX_SPECULATED 4

typedef enum { KIND_CODE, KIND_INCLUDED, KIND_ASSEMBLY, KIND_BUILD } Kind;

void
patch_targets_free(PatchTargets *targets)
{
    if (!targets)
        return;
    g_ptr_array_unref(targets->direct);
    g_ptr_array_unref(targets->reached);
    g_free(targets);
}

static Kind
kind_of(const char *path)
{
    g_autofree char *base = g_path_get_basename(path);

    if (g_str_has_suffix(base, ".c"))
        return KIND_CODE;
    if (g_str_has_suffix(base, ".S"))
        return KIND_ASSEMBLY;
    if (g_str_has_prefix(base, "Kconfig") || g_str_has_prefix(base, "Makefile") || g_str_equal(base, "Kbuild") ||
        g_str_has_prefix(path, "scripts/"))
        return KIND_BUILD;
    return KIND_INCLUDED;
}

static gboolean
refuse(GError **error, const char *format, const char *path)
{
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, format, path);
    return FALSE;
}

static gboolean
check_kinds(const PatchFiles *files, GError **error)
{
    for (guint i = 0; i < files->files->len; i++) {
        const char *path = ((const PatchFile *) files->files->pdata[i])->path;
        Kind kind = kind_of(path);

        if (kind == KIND_BUILD)
            return refuse(error, "the patch changes %s, and so how the kernel is built; an update can only change code",
                          path);
        if (kind == KIND_ASSEMBLY)
            return refuse(error, "the patch changes %s; code in assembly cannot be updated", path);
    }
    return TRUE;
}

/* Whether FILE has an object of its own. */
static gboolean
is_compiled(PatchBuild *build, const PatchFile *file)
{
    return kind_of(file->path) == KIND_CODE && patch_kbuild_has(patch_build_kbuild(build), file->path);
}

static gboolean
needs_reach(PatchBuild *build, const PatchFiles *files)
{
    for (guint i = 0; i < files->files->len; i++)
        if (!is_compiled(build, files->files->pdata[i]))
            return TRUE;
    return FALSE;
}

static gboolean
add_reached(PatchTargets *targets, PatchBuild *build, const PatchFiles *files, guint8 *found,
            void (*say)(const char *text), GError **error)
{
    g_autoptr(GPtrArray) reached = patch_reach(build, files, found, say, error);

    for (guint i = 0; reached && i < reached->len; i++)
        g_ptr_array_add(targets->reached, patch_file_new(reached->pdata[i]));
    return reached != NULL;
}

/* What is not built is left out, if anything is. */
static gboolean
check_built(const PatchTargets *targets, PatchBuild *build, const PatchFiles *files, const guint8 *found,
            GError **error)
{
    const char *not_built = NULL;
    gboolean any = FALSE;

    for (guint i = 0; i < files->files->len; i++) {
        const PatchFile *file = files->files->pdata[i];

        if (is_compiled(build, file) || found[i]) {
            any = TRUE;
            continue;
        }
        not_built = file->path;
        if (files->files->len > 1 && !file->is_new)
            g_printerr("virt-livepatch: warning: %s is not built with this configuration; what the patch changes there "
                       "has no effect\n", file->path);
    }
    if (!any)
        return refuse(error, "the patch changes nothing that is built with this configuration: %s is not", not_built);
    return targets->direct->len || targets->reached->len ||
           refuse(error, "with this configuration nothing uses what the patch changes in %s: there is nothing to update",
                  ((const PatchFile *) files->files->pdata[0])->path);
}

/* Whether the compiler made the same of FILE, unpatched and patched: most often so where only a header changed. */
static gboolean
is_untouched(PatchBuild *build, const char *file)
{
    g_autofree char *old_path = patch_build_object(build, file, PATCH_BUILD_OLD, NULL);
    g_autofree char *new_path = patch_build_object(build, file, PATCH_BUILD_NEW, NULL);
    g_autoptr(GMappedFile) old_file = old_path ? g_mapped_file_new(old_path, FALSE, NULL) : NULL;
    g_autoptr(GMappedFile) new_file = new_path ? g_mapped_file_new(new_path, FALSE, NULL) : NULL;
    g_autoptr(GBytes) old_bytes = old_file ? g_mapped_file_get_bytes(old_file) : NULL;
    g_autoptr(GBytes) new_bytes = new_file ? g_mapped_file_get_bytes(new_file) : NULL;

    return old_bytes && new_bytes && g_bytes_equal(old_bytes, new_bytes);
}

gboolean
patch_targets_build(PatchBuild *build, const GPtrArray *files, GError **error)
{
    const guint compared = 1 << PATCH_BUILD_OLD | 1 << PATCH_BUILD_NEW;
    const guint others = 1 << PATCH_BUILD_RUNNING | 1 << PATCH_BUILD_NEW_CODE;
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (guint i = 0; i < files->len; i++)
        g_ptr_array_add(names, ((PatchFile *) files->pdata[i])->path);
    if (!patch_build_learn(build, names, error))
        return FALSE;
    if (names->len <= MAX_SPECULATED) {
        patch_build_ahead(build, names, compared | others);
        return TRUE;
    }
    patch_build_ahead(build, names, compared);
    for (guint i = names->len; i > 0; i--)
        if (is_untouched(build, names->pdata[i - 1]))
            g_ptr_array_remove_index(names, i - 1);
    patch_build_ahead(build, names, others);
    return TRUE;
}

static int
compare_files(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const PatchFile *const *) a)->path, (*(const PatchFile *const *) b)->path);
}

PatchTargets *
patch_targets_find(PatchBuild *build, const PatchFiles *files, GError **error)
{
    g_autoptr(PatchTargets) targets = g_new0(PatchTargets, 1);

    targets->direct = g_ptr_array_new();
    targets->reached = g_ptr_array_new_with_free_func((GDestroyNotify) patch_file_free);
    if (!check_kinds(files, error))
        return NULL;
    for (guint i = 0; i < files->files->len; i++)
        if (is_compiled(build, files->files->pdata[i]))
            g_ptr_array_add(targets->direct, files->files->pdata[i]);
    g_ptr_array_sort(targets->direct, compare_files);
    targets->may_reach = needs_reach(build, files);
    return g_steal_pointer(&targets);
}

gboolean
patch_targets_reach(PatchTargets *targets, PatchBuild *build, const PatchFiles *files, void (*say)(const char *text),
                    GError **error)
{
    g_autofree guint8 *found = g_malloc0(files->files->len);

    if (targets->may_reach && !add_reached(targets, build, files, found, say, error))
        return FALSE;
    g_ptr_array_sort(targets->reached, compare_files);
    return check_built(targets, build, files, found, error);
}
