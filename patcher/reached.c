/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/reached.h"

#include "patcher/error.h"
#include "patcher/progress.h"
#include "patcher/targets.h"
#include "patcher/update-format.h"

#define FEW 4                   /* files of which every object is built at once, since there is nothing else to do meanwhile */
#define BATCH 16                /* otherwise: files whose objects are there at a time */
#define LARGE 200               /* functions */

typedef struct {
    const PatchReached *reached;
    const char *file;
    gboolean is_few, is_touched;
    GError *error;
} Look;

static void
look_free(Look *look)
{
    g_clear_error(&look->error);
    g_free(look);
}

static const char *
look_name(gconstpointer item)
{
    return ((const Look *) item)->file;
}

static void
look_closer(gpointer item, gpointer data)
{
    Look *look = item;

    look->is_touched = patch_reach_touches(look->reached->reach, look->file, &look->error);
    if (look->is_touched && !look->is_few)
        patch_targets_prepare(look->reached->build, look->file);
}

/* Looks at N candidates from number FIRST on. Returns those that are touched (of PatchFile), to be unreffed. */
static GPtrArray *
find_touched(const PatchReached *reached, guint first, guint n, gint64 begun, GError **error)
{
    const GPtrArray *candidates = patch_reach_candidates(reached->reach);
    g_autoptr(GPtrArray) looks = g_ptr_array_new_with_free_func((GDestroyNotify) look_free);
    g_autoptr(GPtrArray) touched = g_ptr_array_new_with_free_func((GDestroyNotify) patch_file_free);
    const PatchJobs jobs = {
        .say = reached->say, .name = look_name, .run = look_closer, .n_before = first, .n_all = candidates->len,
        .begun = begun,
    };

    for (guint i = first; i < first + n; i++) {
        Look *look = g_new0(Look, 1);

        *look = (Look) { .reached = reached, .file = candidates->pdata[i], .is_few = candidates->len <= FEW };
        g_ptr_array_add(looks, look);
    }
    patch_jobs_run(&jobs, looks);
    for (guint i = 0; i < looks->len; i++) {
        Look *look = looks->pdata[i];

        if (look->error) {
            g_propagate_error(error, g_steal_pointer(&look->error));
            return NULL;
        }
        if (look->is_touched)
            g_ptr_array_add(touched, patch_file_new(look->file));
    }
    return g_steal_pointer(&touched);
}

static gboolean
add_touched(const PatchReached *reached, const GPtrArray *touched, GError **error)
{
    for (guint i = 0; i < touched->len; i++) {
        const PatchFile *file = touched->pdata[i];

        if (!reached->add(reached->data, file, error))
            return FALSE;
        patch_build_forget(reached->build, file->path);
    }
    return TRUE;
}

static guint
count_functions(const PatchUpdate *update)
{
    guint n = 0;

    for (guint i = 0; i < update->objects->len; i++)
        n += ((const PatchObject *) update->objects->pdata[i])->replacements->len;
    return n;
}

char *
patch_reached_warning(guint n_done, guint n_all, guint n_objects, guint n_functions)
{
    guint functions = n_functions * (guint64) n_all / n_done, objects = n_objects * (guint64) n_all / n_done;

    if (functions < LARGE && objects <= PATCH_UPDATE_MAX_OBJECTS)
        return NULL;
    return g_strdup_printf("a large update: %u functions of %u objects by now, after %u of %u files; about %u of %u may be "
                           "expected%s", n_functions, n_objects, n_done, n_all, functions, objects,
                           objects <= PATCH_UPDATE_MAX_OBJECTS ? "" : ", which are more objects than an update can have");
}

static gboolean
check_size(const PatchReached *reached, GError **error)
{
    if (reached->update->objects->len <= PATCH_UPDATE_MAX_OBJECTS)
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                "the patch changes the code of more than %u objects (%u functions by now), which is more than an update can "
                "have: change what uses the header where it matters, instead of the header", PATCH_UPDATE_MAX_OBJECTS,
                count_functions(reached->update));
    return FALSE;
}

gboolean
patch_reached_go_through(const PatchReached *reached, guint *n_touched, GError **error)
{
    const guint n_all = patch_reach_candidates(reached->reach)->len;
    const gint64 begun = g_get_monotonic_time();
    gboolean has_warned = FALSE;

    *n_touched = 0;
    for (guint first = 0, n; first < n_all; first += n) {
        g_autoptr(GPtrArray) touched = NULL;
        g_autofree char *warning = NULL;

        n = MIN(BATCH, n_all - first);
        touched = find_touched(reached, first, n, begun, error);
        if (!touched || (n_all <= FEW && !patch_targets_build(reached->build, touched, error)) ||
            !add_touched(reached, touched, error) || !check_size(reached, error))
            return FALSE;
        *n_touched += touched->len;
        warning = has_warned || !reached->say ? NULL
                : patch_reached_warning(first + n, n_all, reached->update->objects->len, count_functions(reached->update));
        has_warned = has_warned || warning;
        if (warning)
            reached->say(warning);
    }
    return TRUE;
}
