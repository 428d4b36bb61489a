/* SPDX-License-Identifier: GPL-2.0-or-later */
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

/* --- How the kernel's build makes an object */

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
patch_build_learn(PatchBuild *build, const GPtrArray *files, GError **error)
{
    g_autoptr(GPtrArray) objects = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < files->len; i++) {
        g_autofree char *object = patch_kbuild_target(build->kbuild, files->pdata[i]);
        g_autofree char *path = command_path(build, object);

        if (!g_file_test(path, G_FILE_TEST_EXISTS))
            g_ptr_array_add(objects, g_steal_pointer(&object));
    }
    return !objects->len || learn_unknown(build, objects, error);
}

static PatchSavedCmd *
read_saved_cmd(PatchBuild *build, const char *file, GError **error)
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
    g_autoptr(PatchSavedCmd) saved = read_saved_cmd(build, file, error);

    return saved ? patch_saved_cmd_module(saved, error) : NULL;
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

static gboolean
run_commands(PatchBuild *build, const char *file, PatchBuildVariant variant, const PatchSavedCmd *saved,
             const PatchCmdChange *change, GError **error)
{
    for (guint i = 0; i < saved->commands->len; i++) {
        g_auto(GStrv) argv = patch_saved_cmd_argv(saved, i, change);

        if (!patch_run(build->folder, (const char *const *) argv, NULL, error)) {
            g_prefix_error(error, "%s, %s: ", file, is_patched(variant) ? "patched" : "unpatched");
            return FALSE;
        }
    }
    return TRUE;
}

/* Some objects need sources that the kernel's build generates first; it knows which. */
static gboolean
run_commands_or_make(PatchBuild *build, const char *file, PatchBuildVariant variant, const PatchSavedCmd *saved,
                     const PatchCmdChange *change, GError **error)
{
    g_autofree char *object = patch_kbuild_target(build->kbuild, file);
    const char *targets[] = { object, NULL };
    g_autoptr(GError) first = NULL;
    gboolean made;
    int held;

    if (run_commands(build, file, variant, saved, change, &first))
        return TRUE;
    held = patch_cache_hold(build->cache, "make");
    made = patch_build_make(build, "-s", targets, NULL, NULL);
    if (held >= 0)
        close(held);
    if (made)
        return run_commands(build, file, variant, saved, change, error);
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
static char *
build_patched(PatchBuild *build, const char *file, PatchBuildVariant variant, const PatchSavedCmd *saved,
              const PatchCmdChange *change, GError **error)
{
    g_autofree char *dependencies = g_strconcat(change->output, ".d", NULL);

    for (guint i = 0; i < MAX_TRIES; i++) {
        g_autoptr(GError) failure = NULL;
        guint n_opened = count_opened(build);
        gboolean again = FALSE, is_fine = run_commands_or_make(build, file, variant, saved, change, &failure), is_other;

        g_mutex_lock(&build->lock);
        is_other = build->n_opened != n_opened;
        if (is_fine && !is_other)
            is_fine = check_dependencies(build, file, change->overlay, dependencies, &again, &failure);
        g_mutex_unlock(&build->lock);
        if (is_fine && !is_other && !again)
            return g_strdup(change->output);
        if (!is_fine && !is_other) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return NULL;
        }
    }
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s cannot be compiled from the patched source alone", file);
    return NULL;
}

static char *
output_path(PatchBuild *build, const char *file, PatchBuildVariant variant, const char *suffix)
{
    g_autofree char *flat = g_strdelimit(object_name(file), "/", '_');
    g_autofree char *name = g_strdup_printf("%u-%s%s", (guint) variant, flat, suffix);

    return g_build_filename(build->work, name, NULL);
}

static const char *const *
options_of(PatchBuildVariant variant)
{
    /* Types and what is inlined where are wanted of both sides; where variables lie is not, and costs most. */
    static const char *const compared[] = { "-ffunction-sections", "-fdata-sections", "-g", "-fno-var-tracking", NULL };
    static const char *const new_code[] = { "-ffunction-sections", "-fdata-sections", "-g0", NULL };

    if (variant == PATCH_BUILD_RUNNING || variant == PATCH_BUILD_NEW_RUNNING)
        return NULL;
    return variant == PATCH_BUILD_NEW_CODE ? new_code : compared;
}

static char *
build_variant(PatchBuild *build, const char *file, PatchBuildVariant variant, GError **error)
{
    g_autoptr(PatchSavedCmd) saved = read_saved_cmd(build, file, error);
    g_autofree char *output = output_path(build, file, variant, "");
    PatchCmdChange change = {
        .output = output, .options = options_of(variant),
        .include = variant == PATCH_BUILD_NEW_CODE ? build->new_code_headers : is_patched(variant) ? build->headers : NULL,
        .source = is_patched(variant) ? build->source : NULL, .overlay = overlay_of(build, variant),
    };

    if (!saved)
        return NULL;
    if (is_patched(variant))
        return build_patched(build, file, variant, saved, &change, error);
    return run_commands_or_make(build, file, variant, saved, &change, error) ? g_strdup(output) : NULL;
}

char *
patch_build_preprocess(PatchBuild *build, const char *file, PatchBuildVariant variant, GError **error)
{
    /* Lines that only moved are no difference. */
    static const char *const options[] = { "-E", "-P", "-g0", "-w", "-D__LINE__=0", NULL };
    g_autoptr(PatchSavedCmd) saved = read_saved_cmd(build, file, error);
    g_autofree char *output = output_path(build, file, variant, ".i");
    PatchCmdChange change = {
        .output = output, .options = options, .include = build->headers,
        .source = variant == PATCH_BUILD_NEW ? build->source : NULL, .overlay = build->overlay,
    };
    g_autofree char *path = NULL, *text = NULL;
    g_autoptr(GError) cause = NULL;

    if (!saved)
        return NULL;
    g_ptr_array_set_size(saved->commands, 1);
    if (variant == PATCH_BUILD_NEW)
        path = build_patched(build, file, variant, saved, &change, error);
    else if (run_commands_or_make(build, file, variant, saved, &change, error))
        path = g_strdup(output);
    if (!path)
        return NULL;
    if (g_file_get_contents(path, &text, NULL, &cause))
        return g_steal_pointer(&text);
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", cause->message);
    return NULL;
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

char *
patch_build_object(PatchBuild *build, const char *file, PatchBuildVariant variant, GError **error)
{
    g_autofree char *key = made_key(file, variant);
    const Made *made;

    if (!g_hash_table_contains(build->made, key))
        make_once(build, file, variant);
    made = g_hash_table_lookup(build->made, key);
    if (made->error)
        g_propagate_error(error, g_error_copy(made->error));
    return g_strdup(made->path);
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
