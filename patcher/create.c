/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/create.h"

#include "patcher/build.h"
#include "patcher/buildid.h"
#include "patcher/cmacros.h"
#include "patcher/compose.h"
#include "patcher/debian.h"
#include "patcher/error.h"
#include "patcher/finding.h"
#include "patcher/merge.h"
#include "patcher/reached.h"
#include "patcher/run.h"
#include "patcher/setting.h"
#include "patcher/targets.h"
#include "patcher/update-format.h"

#define MAX_PATCH_BYTES (4 * 1024 * 1024)

static void
say(const char *text)
{
    g_printerr("%s\n", text);
}

typedef PatchObject *(*Composer)(PatchBuild *build, const PatchFile *file, PatchCompose *compose, GError **error);

static gboolean
create_object(PatchUpdate *update, PatchBuild *build, const PatchFile *file, Composer composer, PatchCompose *compose,
              GError **error)
{
    g_autoptr(GError) cause = NULL;
    PatchObject *object = composer(build, file, compose, &cause);
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
create_all(PatchUpdate *update, PatchBuild *build, const GPtrArray *files, Composer composer, PatchCompose *compose,
           GError **error)
{
    for (guint i = 0; i < files->len; i++)
        if (!create_object(update, build, files->pdata[i], composer, compose, error))
            return FALSE;
    return TRUE;
}

typedef struct {
    PatchUpdate *update;
    PatchBuild *build;
    PatchCompose *compose;
} Addition;

static gboolean
add_reached(gpointer data, const PatchFile *file, GError **error)
{
    Addition *addition = data;

    return create_object(addition->update, addition->build, file, patch_compose_object, addition->compose, error);
}

static gboolean
create_reached(PatchUpdate *update, PatchBuild *build, const PatchTargets *targets, const PatchFiles *files,
               void (*tell)(const char *text), PatchCompose *compose, GError **error)
{
    Addition addition = { update, build, compose };
    const PatchReached reached = {
        .build = build, .reach = targets->reach, .update = update, .add = add_reached, .data = &addition, .say = tell,
    };
    guint n_reached = 0;

    return (!targets->reach || patch_reached_go_through(&reached, &n_reached, error)) &&
           patch_targets_check(targets, files, n_reached, error);
}

/* Files that are not among TARGETS, nor reached from there, and that only settings speak of: of PatchFile. */
static GPtrArray *
files_of_settings(const PatchTargets *targets, const PatchCompose *compose)
{
    GPtrArray *files = g_ptr_array_new_with_free_func((GDestroyNotify) patch_file_free);
    const GPtrArray *known[] = { targets->direct, files };

    for (guint i = 0; i < compose->settings->len; i++) {
        const PatchSetting *setting = compose->settings->pdata[i];
        gboolean is_known = setting->file == NULL || g_hash_table_contains(compose->settled, setting);

        for (gsize k = 0; k < G_N_ELEMENTS(known); k++)
            for (guint j = 0; j < known[k]->len; j++)
                is_known = is_known || g_str_equal(((const PatchFile *) known[k]->pdata[j])->path, setting->file);
        if (!is_known)
            g_ptr_array_add(files, patch_file_new(setting->file));
    }
    return files;
}

static gboolean
check_files(PatchBuild *build, const GPtrArray *files, GError **error)
{
    for (guint i = 0; i < files->len; i++) {
        const PatchFile *file = files->pdata[i];

        if (patch_kbuild_has(patch_build_kbuild(build), file->path))
            continue;
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "%s is not built with this configuration", file->path);
        return FALSE;
    }
    return TRUE;
}

static gboolean
build_running(PatchBuild *build, const GPtrArray *files, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (guint i = 0; i < files->len; i++)
        g_ptr_array_add(names, ((PatchFile *) files->pdata[i])->path);
    if (!patch_build_learn(build, names, error))
        return FALSE;
    patch_build_ahead(build, names, 1 << PATCH_BUILD_RUNNING);
    return TRUE;
}

static gboolean
create_settings(PatchUpdate *update, PatchBuild *build, const PatchTargets *targets, PatchCompose *compose, GError **error)
{
    g_autoptr(GPtrArray) files = files_of_settings(targets, compose);

    if (!check_files(build, files, error) || !build_running(build, files, error) ||
        !create_all(update, build, files, patch_compose_settings, compose, error))
        return FALSE;
    for (guint i = 0; i < compose->settings->len; i++) {
        const PatchSetting *setting = compose->settings->pdata[i];

        if (g_hash_table_contains(compose->settled, setting))
            continue;
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE,
                    setting->file ? "%s: the running kernel's object has no such variable (the compiler leaves out what is never "
                                    "changed)"
                                  : "%s: no file that the patch changes has such a variable; name its file, as in "
                                    "net/ipv4/tcp.c:tcp_orphans.limit=100", setting->source);
        return FALSE;
    }
    return TRUE;
}

/* Macros of which nothing compiled tells what they were called. */
static gboolean
check_macros(PatchBuild *build, const PatchFiles *files, PatchCompose *compose, GError **error)
{
    g_autoptr(GPtrArray) findings = patch_findings_new();

    for (guint i = 0; i < files->files->len; i++) {
        const PatchFile *file = files->files->pdata[i];
        g_autofree char *old_path = g_build_filename(patch_build_source(build), file->path, NULL), *old_text = NULL;
        g_autofree char *new_path = g_build_filename(patch_build_overlay(build), file->path, NULL), *new_text = NULL;
        g_autofree char *text = NULL, *name = NULL;

        if (file->is_new || !g_file_get_contents(old_path, &old_text, NULL, NULL) ||
            !g_file_get_contents(new_path, &new_text, NULL, NULL))
            continue;
        text = patch_cmacros_renumbered(old_text, new_text, &name);
        if (text)
            patch_findings_add(findings, PATCH_FINDING_MEMBERS, name, "%s: %s", file->path, text);
    }
    return patch_findings_override(findings, compose->force, &compose->used, error);
}

static gboolean
create_patched(PatchUpdate *update, PatchBuild *build, PatchTargets *targets, const PatchCreateOptions *options,
               PatchFiles *files, PatchCompose *compose, GError **error)
{
    if (!files->files->len)
        return TRUE;
    /* What is refused is most often seen in the files that the patch touches itself. */
    return check_macros(build, files, compose, error) &&
           create_all(update, build, targets->direct, patch_compose_object, compose, error) &&
           patch_targets_reach(targets, build, files, options->quiet ? NULL : say, error) &&
           create_reached(update, build, targets, files, options->quiet ? NULL : say, compose, error);
}

/* Several objects may have the same to say of one header. */
static void
print_notes(const GPtrArray *notes)
{
    for (guint i = 0; i < notes->len; i++) {
        guint first;

        if (g_ptr_array_find_with_equal_func((GPtrArray *) notes, notes->pdata[i], g_str_equal, &first) && first == i)
            g_printerr("virt-livepatch: note: %s\n", (const char *) notes->pdata[i]);
    }
}

static gboolean
create_objects(PatchUpdate *update, PatchBuild *build, PatchTargets *targets, const PatchCreateOptions *options,
               PatchFiles *files, GError **error)
{
    g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) shared = NULL, settled = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_autoptr(GHashTable) count_uses = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    PatchCompose compose = {
        .force = options->force, .notes = notes, .settings = options->settings, .settled = settled,
        .count_uses = count_uses,
    };

    if (targets->direct->len > 0 && (!patch_targets_build(build, targets->direct, error) ||
                                     !patch_merge_check_moves(build, targets->direct, error)))
        return FALSE;
    compose.shared = shared = patch_merge_shared(build, targets->direct, targets->may_reach);
    if (!create_patched(update, build, targets, options, files, &compose, error) ||
        !create_settings(update, build, targets, &compose, error) || !patch_merge(update->objects, shared, error))
        return FALSE;
    print_notes(notes);
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

PatchUpdate *
patch_create(const PatchCreateOptions *options, GError **error)
{
    g_autoptr(PatchUpdate) update = patch_update_new();
    g_autoptr(PatchFiles) files = NULL;
    g_autoptr(PatchBuild) build = NULL;
    g_autoptr(PatchTargets) targets = NULL;
    g_autoptr(PatchDebian) debian = NULL;

    patch_run_ends_with_us();
    update->patch = options->patch ? read_patch(options->patch, error) : g_strdup("");
    files = !update->patch ? NULL : options->patch ? patch_files_parse(update->patch, error) : patch_files_new();
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
