/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "patcher/build-private.h"
#include "patcher/error.h"
#include "patcher/overlay.h"
#include "patcher/progress.h"
#include "patcher/run.h"
#include "patcher/savedcmd.h"

#define MAX_TRIES 16            /* one for each folder through which ".." led out of the overlay */

/* What came of building an object; one of the two. */
typedef struct {
    char *path;
    GError *error;
} Made;

typedef struct {
    char *file, *name;
    PatchBuildVariant variant;
} Job;

void
patch_build_made_free(gpointer made)
{
    Made *it = made;

    g_free(it->path);
    g_clear_error(&it->error);
    g_free(it);
}

static char *
object_name(const char *file)
{
    return g_strdup_printf("%.*s.o", (int) (strlen(file) - 2), file);
}

/* --- What the compiler read */

static gboolean
is_patched(PatchBuildVariant variant)
{
    return variant != PATCH_BUILD_RUNNING && variant != PATCH_BUILD_OLD;
}

static const char *
overlay_of(const PatchBuild *build, PatchBuildVariant variant)
{
    return variant == PATCH_BUILD_NEW_LINES || variant == PATCH_BUILD_NEW_RUNNING ? build->old_lines : build->overlay;
}

/* The folder of OVERLAY from which NAME, a path that the compiler read, left it: links followed, NAME is the
 * original of a patched file. To be freed; NULL if NAME is none. */
static char *
escaped_from(PatchBuild *build, const char *overlay, const char *name)
{
    g_autofree char *absolute = g_path_is_absolute(name) ? g_strdup(name) : g_build_filename(build->folder, name, NULL);
    g_autofree char *resolved = realpath(absolute, NULL);
    gsize length = strlen(overlay);
    const char *up;

    for (guint i = 0; resolved && i < build->files->files->len; i++) {
        const PatchFile *patched = build->files->files->pdata[i];
        g_autofree char *in_source = g_build_filename(build->source, patched->path, NULL);
        g_autofree char *original = realpath(in_source, NULL);

        if (!original || !g_str_equal(original, resolved))
            continue;
        up = strstr(absolute, "/../");
        if (!up || !g_str_has_prefix(absolute, overlay) || up <= absolute + length)
            return g_strdup("");
        return g_strndup(absolute + length + 1, up - absolute - length - 1);
    }
    return NULL;
}

/* Whether what was read is the patched source and nothing of what it replaces. AGAIN: it was not, but now the overlay
 * is such that it will be. */
static gboolean
check_dependencies(PatchBuild *build, const char *file, const char *overlay, const char *path, gboolean *again,
                   GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) cause = NULL;
    g_auto(GStrv) names = NULL;

    *again = FALSE;
    if (!g_file_get_contents(path, &text, NULL, &cause)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", cause->message);
        return FALSE;
    }
    names = g_strsplit_set(text, " \n\\", -1);
    for (char **name = names; *name; name++) {
        g_autofree char *folder = **name ? escaped_from(build, overlay, *name) : NULL;

        if (!folder)
            continue;
        *again = *folder != 0;
        if (*again) {
            build->n_opened++;
            return patch_overlay_open(overlay, build->source, folder, error);
        }
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s was compiled from the unpatched %s", file, *name);
        return FALSE;
    }
    return TRUE;
}

/* --- Building */

/* One object, or what else the compiler makes of its source. */
typedef struct {
    PatchBuild *build;
    const char *file;
    PatchBuildVariant variant;
    PatchSavedCmd *saved;
    PatchCmdChange change;
    char *said;                 /* on standard output */
} Making;

static gboolean
run_commands(Making *making, GError **error)
{
    for (guint i = 0; i < making->saved->commands->len; i++) {
        g_auto(GStrv) argv = patch_saved_cmd_argv(making->saved, i, &making->change);

        g_clear_pointer(&making->said, g_free);
        if (!patch_run(making->build->folder, (const char *const *) argv, &making->said, error)) {
            g_prefix_error(error, "%s, %s: ", making->file, is_patched(making->variant) ? "patched" : "unpatched");
            return FALSE;
        }
    }
    return TRUE;
}

/* Some objects need sources that the kernel's build generates first; it knows which. */
static gboolean
run_commands_or_make(Making *making, GError **error)
{
    PatchBuild *build = making->build;
    g_autofree char *object = patch_kbuild_target(build->kbuild, making->file);
    const char *targets[] = { object, NULL };
    g_autoptr(GError) first = NULL;
    gboolean made;
    int held;

    if (run_commands(making, &first))
        return TRUE;
    held = patch_cache_hold(build->cache, "make");
    made = patch_build_make(build, "-s", targets, NULL, NULL);
    if (held >= 0)
        close(held);
    if (made)
        return run_commands(making, error);
    g_propagate_error(error, g_steal_pointer(&first));
    return FALSE;
}

static guint
count_opened(PatchBuild *build)
{
    guint n;

    g_mutex_lock(&build->lock);
    n = build->n_opened;
    g_mutex_unlock(&build->lock);
    return n;
}

/* Where the overlay's folders were changed for another object meanwhile, what the compiler read of them may be neither the one nor
 * the other, and cannot be told afterwards. */
static gboolean
build_patched(Making *making, GError **error)
{
    PatchBuild *build = making->build;
    g_autofree char *dependencies = g_strconcat(making->change.output, ".d", NULL);

    for (guint i = 0; i < MAX_TRIES; i++) {
        g_autoptr(GError) failure = NULL;
        guint n_opened = count_opened(build);
        gboolean again = FALSE, is_fine = run_commands_or_make(making, &failure), is_other;

        g_mutex_lock(&build->lock);
        is_other = build->n_opened != n_opened;
        if (is_fine && !is_other)
            is_fine = check_dependencies(build, making->file, making->change.overlay, dependencies, &again, &failure);
        g_mutex_unlock(&build->lock);
        if (is_fine && !is_other && !again)
            return TRUE;
        if (!is_fine && !is_other) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
    }
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s cannot be compiled from the patched source alone",
                making->file);
    return FALSE;
}

/* What the compiler says it has read is needed no longer than that. */
static gboolean
make(Making *making, GError **error)
{
    g_autofree char *dependencies = g_strconcat(making->change.output, ".d", NULL);
    gboolean is_made = making->change.source ? build_patched(making, error) : run_commands_or_make(making, error);

    g_unlink(dependencies);
    return is_made;
}

static char *
output_path(PatchBuild *build, const char *file, PatchBuildVariant variant, const char *suffix)
{
    g_autofree char *flat = g_strdelimit(object_name(file), "/", '_');
    g_autofree char *name = g_strdup_printf("%u-%s%s", (guint) variant, flat, suffix);

    return g_build_filename(build->work, name, NULL);
}

/* Types and what is inlined where are wanted of both sides; where variables lie is not, and costs most. */
static const char *const compared_options[] = { "-ffunction-sections", "-fdata-sections", "-g", "-fno-var-tracking", NULL };

static const char *const *
options_of(PatchBuildVariant variant)
{
    static const char *const new_code[] = { "-ffunction-sections", "-fdata-sections", "-g0", NULL };

    if (variant == PATCH_BUILD_RUNNING || variant == PATCH_BUILD_NEW_RUNNING)
        return NULL;
    return variant == PATCH_BUILD_NEW_CODE ? new_code : compared_options;
}

static char *
build_variant(PatchBuild *build, const char *file, PatchBuildVariant variant, GError **error)
{
    g_autoptr(PatchSavedCmd) saved = patch_build_saved_cmd(build, file, error);
    g_autofree char *output = output_path(build, file, variant, ""), *said = NULL;
    Making making = { .build = build, .file = file, .variant = variant, .saved = saved };
    gboolean is_made;

    if (!saved)
        return NULL;
    making.change = (PatchCmdChange) {
        .output = output, .options = options_of(variant),
        .include = variant == PATCH_BUILD_NEW_CODE ? build->new_code_headers : is_patched(variant) ? build->headers : NULL,
        .source = is_patched(variant) ? build->source : NULL, .overlay = overlay_of(build, variant),
    };
    is_made = make(&making, error);
    said = making.said;
    return is_made ? g_steal_pointer(&output) : NULL;
}

char *
patch_build_preprocess(PatchBuild *build, const char *file, PatchBuildVariant variant, GError **error)
{
    /* Lines that only moved are no difference. */
    static const char *const options[] = { "-E", "-P", "-g0", "-w", "-D__LINE__=0", NULL };
    g_autoptr(PatchSavedCmd) saved = patch_build_saved_cmd(build, file, error);
    g_autofree char *output = output_path(build, file, variant, ".i"), *said = NULL;
    Making making = { .build = build, .file = file, .variant = variant, .saved = saved };
    gboolean is_made;

    if (!saved)
        return NULL;
    making.change = (PatchCmdChange) {
        .output = output, .object = "-", .options = options, .include = build->headers,
        .source = variant == PATCH_BUILD_NEW ? build->source : NULL, .overlay = build->overlay,
    };
    g_ptr_array_set_size(saved->commands, 1);
    is_made = make(&making, error);
    said = making.said;
    return is_made ? g_steal_pointer(&said) : NULL;
}

char *
patch_build_compile_text(PatchBuild *build, const char *file, const char *text, PatchBuildVariant variant, GError **error)
{
    g_autoptr(PatchSavedCmd) saved = patch_build_saved_cmd(build, file, error);
    g_autofree char *input = output_path(build, file, variant, ".probe.i"), *output = g_strconcat(input, ".o", NULL);
    Making making = { .build = build, .file = file, .variant = variant, .saved = saved };
    g_autofree char *said = NULL;
    g_autoptr(GError) cause = NULL;
    gboolean is_made;

    if (!saved)
        return NULL;
    if (!g_file_set_contents(input, text, -1, &cause)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", cause->message);
        return NULL;
    }
    making.change = (PatchCmdChange) { .input = input, .output = output, .options = compared_options };
    g_ptr_array_set_size(saved->commands, 1);
    is_made = run_commands(&making, error);
    said = making.said;
    g_unlink(input);
    return is_made ? g_steal_pointer(&output) : NULL;
}

static char *
made_key(const char *file, PatchBuildVariant variant)
{
    return g_strdup_printf("%u-%s", (guint) variant, file);
}

static void
make_once(PatchBuild *build, const char *file, PatchBuildVariant variant)
{
    Made *made = g_new0(Made, 1);

    made->path = build_variant(build, file, variant, &made->error);
    g_mutex_lock(&build->lock);
    g_hash_table_insert(build->made, made_key(file, variant), made);
    g_mutex_unlock(&build->lock);
}

static const Made *
find_made(PatchBuild *build, const char *file, PatchBuildVariant variant)
{
    g_autofree char *key = made_key(file, variant);
    const Made *made;

    g_mutex_lock(&build->lock);
    made = g_hash_table_lookup(build->made, key);
    g_mutex_unlock(&build->lock);
    return made;
}

char *
patch_build_object(PatchBuild *build, const char *file, PatchBuildVariant variant, GError **error)
{
    const Made *made = find_made(build, file, variant);

    if (!made) {
        make_once(build, file, variant);
        made = find_made(build, file, variant);
    }
    if (made->error)
        g_propagate_error(error, g_error_copy(made->error));
    return g_strdup(made->path);
}

void
patch_build_forget(PatchBuild *build, const char *file)
{
    for (guint variant = PATCH_BUILD_RUNNING; variant <= PATCH_BUILD_NEW_CODE; variant++) {
        g_autofree char *key = made_key(file, variant), *path = output_path(build, file, variant, "");

        g_hash_table_remove(build->made, key);
        g_unlink(path);
    }
}

static void
job_free(Job *job)
{
    g_free(job->file);
    g_free(job->name);
    g_free(job);
}

static const char *
job_name(gconstpointer item)
{
    return ((const Job *) item)->name;
}

static void
run_job(gpointer item, gpointer data)
{
    make_once(data, ((Job *) item)->file, ((Job *) item)->variant);
}

void
patch_build_ahead(PatchBuild *build, const GPtrArray *files, guint variants)
{
    static const char *const names[] = {
        [PATCH_BUILD_RUNNING] = "as it runs", [PATCH_BUILD_OLD] = "unpatched", [PATCH_BUILD_NEW] = "patched",
        [PATCH_BUILD_NEW_LINES] = "patched, lines kept", [PATCH_BUILD_NEW_RUNNING] = "patched, as it would run",
        [PATCH_BUILD_NEW_CODE] = "patched, as new code",
    };
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify) job_free);
    PatchJobs jobs = { .say = build->say, .name = job_name, .run = run_job, .data = build };

    for (guint i = 0; i < files->len; i++)
        for (guint variant = PATCH_BUILD_RUNNING; variant <= PATCH_BUILD_NEW_CODE; variant++) {
            Job *job;

            if (!(variants & 1u << variant))
                continue;
            job = g_new0(Job, 1);
            job->file = g_strdup(files->pdata[i]);
            job->variant = variant;
            job->name = g_strdup_printf("%s, %s", job->file, names[variant]);
            g_ptr_array_add(list, job);
        }
    patch_jobs_run(&jobs, list);
}
