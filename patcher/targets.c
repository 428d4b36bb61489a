/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/targets.h"

#include <string.h>

#include "patcher/diff.h"
#include "patcher/error.h"
#include "patcher/tables.h"

/* Objects whose every variant is built at once; of more, most may turn out not to be needed. */
#define MAX_SPECULATED 4

typedef enum { KIND_CODE, KIND_INCLUDED, KIND_ASSEMBLY, KIND_BUILD } Kind;

void
patch_targets_free(PatchTargets *targets)
{
    if (!targets)
        return;
    g_ptr_array_unref(targets->direct);
    patch_reach_free(targets->reach);
    g_free(targets->found);
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

/* What is not built is left out, if anything is. */
static gboolean
check_built(const PatchTargets *targets, PatchBuild *build, const PatchFiles *files, GError **error)
{
    const char *not_built = NULL;
    gboolean any = FALSE;

    for (guint i = 0; i < files->files->len; i++) {
        const PatchFile *file = files->files->pdata[i];

        if (is_compiled(build, file) || targets->found[i]) {
            any = TRUE;
            continue;
        }
        not_built = file->path;
        if (files->files->len > 1 && !file->is_new)
            g_printerr("virt-livepatch: warning: %s is not built with this configuration; what the patch changes there "
                       "has no effect\n", file->path);
    }
    return any || refuse(error, "the patch changes nothing that is built with this configuration: %s is not", not_built);
}

gboolean
patch_targets_check(const PatchTargets *targets, const PatchFiles *files, guint n_reached, GError **error)
{
    return targets->direct->len + n_reached > 0 ||
           refuse(error, "with this configuration nothing uses what the patch changes in %s: there is nothing to update",
                  ((const PatchFile *) files->files->pdata[0])->path);
}

static PatchElf *
read_object(PatchBuild *build, const char *file, PatchBuildVariant variant)
{
    g_autofree char *path = patch_build_object(build, file, variant, NULL);

    return path ? patch_elf_read(path, NULL) : NULL;
}

static gboolean
has_entries(const PatchDiff *diff)
{
    for (guint i = 0; i < diff->new_entries->len; i++) {
        const PatchTableEntry *entry = &g_array_index(diff->new_entries, PatchTableEntry, i);

        if (entry->kind == PATCH_TABLE_JUMPS || entry->kind == PATCH_TABLE_BUGS)
            return TRUE;
    }
    return FALSE;
}

/* What else will most likely be asked for of FILE, a bit each: nothing where its code is the same before and after, as it is
 * most often where only a header changed. */
static guint
others_needed(PatchBuild *build, const char *file)
{
    g_autoptr(PatchElf) old_elf = read_object(build, file, PATCH_BUILD_OLD);
    g_autoptr(PatchElf) new_elf = old_elf ? read_object(build, file, PATCH_BUILD_NEW) : NULL;
    g_autoptr(PatchDiff) diff = new_elf ? patch_diff_new(old_elf, new_elf, NULL) : NULL;

    if (!diff || diff->changed->len + diff->initials->len == 0)
        return 0;
    return 1 << PATCH_BUILD_RUNNING | (has_entries(diff) ? 1 << PATCH_BUILD_NEW_CODE : 0);
}

void
patch_targets_prepare(PatchBuild *build, const char *file)
{
    const guint needed = others_needed(build, file);

    for (guint variant = PATCH_BUILD_RUNNING; variant <= PATCH_BUILD_NEW_CODE; variant++)
        if (needed & 1u << variant)
            g_free(patch_build_object(build, file, variant, NULL));
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
        if (!others_needed(build, names->pdata[i - 1]))
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
    targets->found = g_malloc0(files->files->len);
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
    if (targets->may_reach)
        targets->reach = patch_reach_new(build, files, targets->found, say, error);
    return (targets->reach || !targets->may_reach) && check_built(targets, build, files, error);
}
