/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/create.h"

#include "patcher/build.h"
#include "patcher/buildid.h"
#include "patcher/csource.h"
#include "patcher/diff.h"
#include "patcher/error.h"
#include "patcher/new-code.h"
#include "patcher/old-code.h"
#include "patcher/update-format.h"

#define MAX_PATCH_BYTES (4 * 1024 * 1024)

/* What is known of one patched file while its object is made. */
typedef struct {
    PatchBuild *build;
    const PatchFile *file;
    PatchObject *object;
    PatchOldCode *old;
    PatchNewCode *code;
    char *text;                 /* of the patched file */
} Job;

static void
say(const char *text)
{
    g_printerr("%s\n", text);
}

static PatchElf *
build_and_read(PatchBuild *build, const char *file, PatchBuildVariant variant, GError **error)
{
    g_autofree char *path = patch_build_object(build, file, variant, error);

    return path ? patch_elf_read(path, error) : NULL;
}

static gboolean
check_file(PatchBuild *build, const PatchFile *file, GError **error)
{
    gboolean is_module;

    if (!patch_build_is_module(build, file->path, &is_module, error))
        return FALSE;
    if (is_module)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "%s is built into a module; updates can be made for what is built into the kernel itself",
                    file->path);
    return !is_module;
}

static PatchReason
reason_of(const Job *job, const char *function)
{
    guint first, last;

    if (!patch_csource_find(job->text, function, &first, &last) || patch_file_touches(job->file, first, last))
        return PATCH_REASON_CHANGED;
    return PATCH_REASON_INLINED;
}

static gboolean
add_part(Job *job, const char *function, PatchReplacement *replacement, GError **error)
{
    g_autofree char *name = g_strconcat(function, ".cold", NULL);
    gint32 item = patch_old_code_find(job->old, name);
    guint32 index;

    if (item < 0)
        return TRUE;
    if (!patch_old_code_function(job->old, item, &index, error))
        return FALSE;
    g_array_append_val(replacement->parts, index);
    return TRUE;
}

static gboolean
add_replacement(Job *job, const PatchDiff *diff, const char *function, guint32 new_item, GError **error)
{
    const char *old_name = patch_elf_item(diff->pairing->old_elf, diff->pairing->old_of_new[new_item])->name;
    gint32 old_item = patch_old_code_find(job->old, old_name);
    PatchReplacement *replacement;
    guint32 index, piece;

    if (old_item < 0) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "the patch changes %s, and the running kernel's object has no such function, or several", old_name);
        return FALSE;
    }
    if (!patch_old_code_has_entry(job->old, old_item)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "the patch changes %s, which cannot be replaced: the kernel keeps it from being traced, so it does not "
                    "begin with a place to patch", old_name);
        return FALSE;
    }
    if (!patch_old_code_function(job->old, old_item, &index, error) ||
        !patch_new_code_add(job->code, new_item, &piece, error))
        return FALSE;
    replacement = patch_object_add_replacement(job->object, index, piece, reason_of(job, function));
    return add_part(job, old_name, replacement, error);
}

/* The names of the changed functions. */
static GHashTable *
changed_names(const PatchDiff *diff)
{
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < diff->changed->len; i++)
        g_hash_table_add(names, g_strdup(patch_elf_item(diff->pairing->new_elf,
                                                        g_array_index(diff->changed, guint32, i))->name));
    return names;
}

static gboolean
fill_object(Job *job, PatchDiff *diff, GError **error)
{
    const char *source = job->file->path;
    g_autoptr(PatchElf) running = build_and_read(job->build, source, PATCH_BUILD_RUNNING, error);
    g_autoptr(GHashTable) replaced = changed_names(diff);
    g_autoptr(PatchOldCode) old = running ? patch_old_code_new(job->object, running, error) : NULL;
    g_autoptr(PatchNewCode) code = NULL;

    if (!old)
        return FALSE;
    code = patch_new_code_new(job->object, diff, old, replaced);
    job->old = old;
    job->code = code;
    for (guint i = 0; i < diff->changed->len; i++) {
        guint32 item = g_array_index(diff->changed, guint32, i);

        if (!add_replacement(job, diff, patch_elf_item(diff->pairing->new_elf, item)->name, item, error))
            return FALSE;
    }
    return patch_old_code_add_witnesses(old, error);
}

/* The object of one patched file; NULL without an error if its code did not change. */
static PatchObject *
create_object(PatchBuild *build, const PatchFile *file, GError **error)
{
    g_autofree char *path = g_build_filename(patch_build_overlay(build), file->path, NULL);
    g_autofree char *text = NULL;
    g_autoptr(PatchElf) old_elf = NULL, new_elf = NULL;
    g_autoptr(PatchDiff) diff = NULL;
    g_autoptr(PatchObject) object = patch_object_new();
    Job job = { .build = build, .file = file, .object = object };

    object->path = g_strdup_printf("%.*s.o", (int) (strlen(file->path) - 2), file->path);
    object->module = g_strdup("");
    if (!g_file_get_contents(path, &text, NULL, error))
        return NULL;
    job.text = text;
    old_elf = build_and_read(build, file->path, PATCH_BUILD_OLD, error);
    new_elf = old_elf ? build_and_read(build, file->path, PATCH_BUILD_NEW, error) : NULL;
    diff = new_elf ? patch_diff_new(old_elf, new_elf, file, error) : NULL;
    if (!diff)
        return NULL;
    if (!diff->changed->len) {
        if (diff->boot_only->len)
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                        "%s: the patch changes only code that runs at boot (%s); a running kernel has no use for it",
                        file->path, patch_elf_item(new_elf, g_array_index(diff->boot_only, guint32, 0))->name);
        return NULL;
    }
    return fill_object(&job, diff, error) ? g_steal_pointer(&object) : NULL;
}

static gboolean
create_objects(PatchUpdate *update, PatchBuild *build, PatchFiles *files, GError **error)
{
    for (guint i = 0; i < files->files->len; i++) {
        const PatchFile *file = files->files->pdata[i];
        g_autoptr(GError) cause = NULL;
        g_autofree char *running = patch_build_object(build, file->path, PATCH_BUILD_RUNNING, error);
        PatchObject *object;

        if (!running || !check_file(build, file, error))
            return FALSE;
        object = create_object(build, file, &cause);
        if (cause) {
            g_propagate_prefixed_error(error, g_steal_pointer(&cause), "%s: ", file->path);
            return FALSE;
        }
        if (object)
            g_ptr_array_add(update->objects, object);
    }
    if (update->objects->len)
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                "with this config and compiler the patch changes no code: there is nothing to update");
    return FALSE;
}

static gboolean
check_kinds(PatchFiles *files, GError **error)
{
    for (guint i = 0; i < files->files->len; i++) {
        const char *path = ((const PatchFile *) files->files->pdata[i])->path;

        if (g_str_has_suffix(path, ".c"))
            continue;
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "the patch changes %s; updates can be made from patches to C files only%s", path,
                    g_str_has_suffix(path, ".h") ? ": a header may reach into every object of the kernel" : "");
        return FALSE;
    }
    return TRUE;
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
        g_printerr("virt-livepatch: warning: the kernel was built with %s, this is %s; if they make different code, the "
                   "update will not fit the guest\n", other, patch_build_compiler(build));
}

PatchUpdate *
patch_create(const PatchCreateOptions *options, GError **error)
{
    g_autoptr(PatchUpdate) update = patch_update_new();
    g_autoptr(PatchFiles) files = NULL;
    g_autoptr(PatchBuild) build = NULL;

    update->patch = read_patch(options->patch, error);
    files = update->patch ? patch_files_parse(update->patch, error) : NULL;
    if (!files || !check_kinds(files, error))
        return NULL;
    update->build_id = options->vmlinux ? patch_build_id_read(options->vmlinux, error) : g_strdup("");
    if (!update->build_id)
        return NULL;
    build = patch_build_open(options->source, options->config, files, options->quiet ? NULL : say, error);
    if (!build)
        return NULL;
    warn_of_compiler(build);
    update->kernel = g_strdup(patch_build_kernel(build));
    update->compiler = g_strdup(patch_build_compiler(build));
    update->description = options->description ? g_strdup(options->description) : subject_of(update->patch);
    update->cves = find_cves(update->patch, update->description);
    if (!create_objects(update, build, files, error) || !patch_update_validate(update, error))
        return NULL;
    return g_steal_pointer(&update);
}
