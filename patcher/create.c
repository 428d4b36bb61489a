/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/create.h"

#include "patcher/build.h"
#include "patcher/buildid.h"
#include "patcher/compose.h"
#include "patcher/debian.h"
#include "patcher/error.h"
#include "patcher/finding.h"
#include "patcher/merge.h"
#include "patcher/run.h"
#include "patcher/targets.h"
#include "patcher/update-format.h"

#define MAX_PATCH_BYTES (4 * 1024 * 1024)

static void
say(const char *text)
{
    g_printerr("%s\n", text);
}

static gboolean
create_object(PatchUpdate *update, PatchBuild *build, const PatchFile *file, PatchCompose *compose, GError **error)
{
    g_autoptr(GError) cause = NULL;
    PatchObject *object = patch_compose_object(build, file, compose, &cause);
    gboolean failed = cause != NULL;

    if (failed && !g_str_has_prefix(cause->message, file->path))
        g_prefix_error(&cause, "%s: ", file->path);
    if (failed)
        g_propagate_error(error, g_steal_pointer(&cause));
    else if (object)
        g_ptr_array_add(update->objects, object);
    return !failed;
}

static gboolean
create_all(PatchUpdate *update, PatchBuild *build, const GPtrArray *files, PatchCompose *compose, GError **error)
{
    for (guint i = 0; i < files->len; i++)
        if (!create_object(update, build, files->pdata[i], compose, error))
            return FALSE;
    return TRUE;
}

static gboolean
create_objects(PatchUpdate *update, PatchBuild *build, PatchTargets *targets, const PatchCreateOptions *options,
               PatchFiles *files, GError **error)
{
    g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) shared = NULL;
    PatchCompose compose = { .force = options->force, .notes = notes };

    if (!patch_targets_build(build, targets->direct, error) || !patch_merge_check_moves(build, targets->direct, error))
        return FALSE;
    compose.shared = shared = patch_merge_shared(build, targets->direct, targets->may_reach);
    /* What is refused is most often seen in the files that the patch touches itself. */
    if (!create_all(update, build, targets->direct, &compose, error) ||
        !patch_targets_reach(targets, build, files, options->quiet ? NULL : say, error) ||
        !patch_targets_build(build, targets->reached, error) ||
        !create_all(update, build, targets->reached, &compose, error) || !patch_merge(update->objects, shared, error))
        return FALSE;
    for (guint i = 0; i < notes->len; i++)
        g_printerr("virt-livepatch: note: %s\n", (const char *) notes->pdata[i]);
    update->forced = patch_finding_classes_names(compose.used);
    if (!update->objects->len)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "with this config and compiler the patch changes no code that a running kernel uses: there is nothing "
                    "to update");
    return update->objects->len;
}

static char *
read_patch(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) cause = NULL;
    gsize length;

    if (!g_file_get_contents(path, &text, &length, &cause)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "%s", cause->message);
        return NULL;
    }
    if (length > MAX_PATCH_BYTES || strlen(text) != length) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "%s is no source patch", path);
        return NULL;
    }
    return g_steal_pointer(&text);
}

/* What the patch says of itself before its first hunk, if it came by mail or from git. */
static char *
subject_of(const char *patch)
{
    g_autoptr(GRegex) regex = g_regex_new("^Subject:[ \\t]*(?:\\[[^]\\n]*\\][ \\t]*)*([^\\n]*)$",
                                          G_REGEX_MULTILINE | G_REGEX_RAW, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_autofree char *subject = NULL;

    if (!g_regex_match(regex, patch, 0, &match))
        return g_strdup("");
    subject = g_match_info_fetch(match, 1);
    return g_utf8_make_valid(g_strchomp(subject), -1);
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static GStrv
find_cves(const char *patch, const char *description)
{
    g_autofree char *text = g_strconcat(patch, "\n", description, NULL);
    g_autoptr(GRegex) regex = g_regex_new("\\bCVE-[0-9]{4}-[0-9]{4,}\\b", G_REGEX_RAW, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    GPtrArray *names = g_ptr_array_new();

    for (g_regex_match(regex, text, 0, &match); g_match_info_matches(match); g_match_info_next(match, NULL)) {
        char *name = g_match_info_fetch(match, 0);

        if (g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
            g_free(name);
        else
            g_ptr_array_add(names, name);
    }
    g_ptr_array_sort(names, compare_strings);
    g_ptr_array_add(names, NULL);
    return (GStrv) g_ptr_array_free(names, FALSE);
}

static void
warn_of_compiler(const PatchBuild *build)
{
    const char *other = patch_build_other_compiler(build);

    if (other)
        g_printerr("virt-livepatch: warning: the kernel was built with %s, this is %s; if they make different code, "
                   "the update will not fit the guest\n", other, patch_build_compiler(build));
}

PatchUpdate *
patch_create(const PatchCreateOptions *options, GError **error)
{
    g_autoptr(PatchUpdate) update = patch_update_new();
    g_autoptr(PatchFiles) files = NULL;
    g_autoptr(PatchBuild) build = NULL;
    g_autoptr(PatchTargets) targets = NULL;
    g_autoptr(PatchDebian) debian = NULL;

    patch_run_ends_with_us();
    update->patch = read_patch(options->patch, error);
    files = update->patch ? patch_files_parse(update->patch, error) : NULL;
    if (!files)
        return NULL;
    update->build_id = options->vmlinux ? patch_build_id_read(options->vmlinux, error) : g_strdup("");
    if (!update->build_id)
        return NULL;
    if (options->debian) {
        debian = patch_debian_fetch(options->debian, options->quiet ? NULL : say, error);
        if (!debian)
            return NULL;
    }
    build = patch_build_open(debian ? debian->source : options->source, debian ? debian->config : options->config, files,
                             options->quiet ? NULL : say, error);
    if (!build)
        return NULL;
    warn_of_compiler(build);
    update->kernel = g_strdup(patch_build_kernel(build));
    update->compiler = g_strdup(patch_build_compiler(build));
    update->description = options->description ? g_strdup(options->description) : subject_of(update->patch);
    update->cves = find_cves(update->patch, update->description);
    targets = patch_targets_find(build, files, error);
    if (!targets || !create_objects(update, build, targets, options, files, error) ||
        !patch_update_validate(update, error))
        return NULL;
    return g_steal_pointer(&update);
}
