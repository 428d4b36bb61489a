/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/compose-private.h"

#include <string.h>

#include "patcher/error.h"
#include "patcher/escape.h"
#include "patcher/hook-table.h"
#include "patcher/new-data.h"
#include "patcher/runner-end.h"

static void
job_clear(PatchJob *job)
{
    if (job->code_diff != job->diff)
        patch_diff_free(job->code_diff);
    patch_diff_free(job->diff);
    patch_new_code_free(job->code);
    patch_old_code_free(job->old);
    patch_elf_free(job->running);
    patch_elf_free(job->old_elf);
    patch_elf_free(job->new_elf);
    patch_elf_free(job->code_elf);
    g_clear_pointer(&job->carry.replaced, g_hash_table_unref);
    g_clear_pointer(&job->carry.running.entries, g_array_unref);
    g_clear_pointer(&job->findings, g_ptr_array_unref);
    patch_object_free(job->object);
    patch_reasons_free(job->reasons);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PatchJob, job_clear)

PatchElf *
patch_compose_build(const PatchJob *job, PatchBuildVariant variant, GError **error)
{
    g_autofree char *path = patch_build_object(job->build, job->file->path, variant, error);

    return path ? patch_elf_read(path, error) : NULL;
}

/* Whether code that is changed or new has entries in tables that only the kernel's image can have. */
static gboolean
needs_own_headers(const PatchJob *job)
{
    const GArray *entries = job->diff->new_entries;

    for (guint i = 0; i < entries->len; i++) {
        const PatchTableEntry *entry = &g_array_index(entries, PatchTableEntry, i);
        gint32 number = patch_elf_item_at(job->new_elf, entry->code_section, entry->code_offset);

        if (!patch_table_is_for_own_code(entry->kind))
            continue;
        if (number >= 0 && (job->diff->pairing->old_of_new[number] < 0 ||
                            g_hash_table_contains(job->carry.replaced, patch_elf_item(job->new_elf, number)->name) ||
                            strstr(patch_elf_item(job->new_elf, number)->name, ".cold")))
            return TRUE;
    }
    return FALSE;
}

static gboolean G_GNUC_PRINTF(2, 3)
refuse(GError **error, const char *format, ...)
{
    va_list arguments;
    g_autofree char *text = NULL;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, "%s", text);
    return FALSE;
}

static gboolean
build_code(PatchJob *job, GError **error)
{
    job->code_diff = job->diff;
    if (needs_own_headers(job)) {
        job->code_elf = patch_compose_build(job, PATCH_BUILD_NEW_CODE, error);
        job->code_diff = job->code_elf ? patch_diff_new(job->old_elf, job->code_elf, error) : NULL;
    }
    if (!job->code_diff)
        return FALSE;
    job->carry.pairing = job->diff->pairing;
    job->carry.code = job->code_diff->pairing->new_elf;
    job->carry.running.elf = job->running;
    job->carry.running.entries = patch_tables_read(job->running, error);
    job->carry.is_module = *job->object->module;
    job->carry.clones = job->code_diff != job->diff;
    job->carry.findings = job->findings;
    if (!job->carry.running.entries)
        return FALSE;
    patch_carry_expand(&job->carry);
    return patch_findings_override(job->findings, job->compose->force, &job->compose->used, error);
}

static gboolean
add_part(PatchJob *job, const char *function, PatchReplacement *replacement, GError **error)
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

/* Item NEW_ITEM of the code's object takes over from its pair. */
static gboolean
add_replacement(PatchJob *job, guint32 new_item, GError **error)
{
    const PatchPairing *pairing = job->code_diff->pairing;
    const char *name = patch_elf_item(pairing->new_elf, new_item)->name;
    gint32 pair = pairing->old_of_new[new_item];
    const char *old_name = pair >= 0 ? patch_elf_item(pairing->old_elf, pair)->name : name;
    gint32 old_item = pair >= 0 ? patch_old_code_find(job->old, old_name) : -1;
    PatchReplacement *replacement;
    guint32 index, piece;
    PatchReason reason;
    const char *cause;

    if (old_item < 0)
        return refuse(error, "the patch changes %s, and the running kernel's object has no such function, or several",
                      old_name);
    if (!patch_old_code_function(job->old, old_item, &index, error) ||
        !patch_new_code_add(job->code, new_item, &piece, error))
        return FALSE;
    cause = g_hash_table_lookup(job->carry.replaced, name);
    reason = *cause ? PATCH_REASON_CALLS : patch_reasons_find(job->reasons, name, &cause);
    replacement = patch_object_add_replacement(job->object, index, piece, reason, cause);
    return add_part(job, old_name, replacement, error);
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static gboolean
add_replacements(PatchJob *job, GError **error)
{
    const PatchElf *elf = job->code_diff->pairing->new_elf;
    guint n;
    g_autofree gpointer *names = g_hash_table_get_keys_as_array(job->carry.replaced, &n);

    qsort(names, n, sizeof names[0], compare_names);
    for (guint i = 0; i < n; i++) {
        gint32 item = patch_elf_find_item(elf, names[i]);

        if (patch_carry_is_carried(&job->carry, names[i]))
            continue;
        if (item < 0)
            return refuse(error, "the patch changes %s, of which the patched source has none, or several",
                          (const char *) names[i]);
        if (!add_replacement(job, item, error))
            return FALSE;
    }
    return TRUE;
}

/* What other objects of the patch use comes along, whether this one uses it or not. */
static gboolean
add_shared(PatchJob *job, GError **error)
{
    const PatchPairing *pairing = job->code_diff->pairing;

    for (guint32 i = 0; i < pairing->new_elf->items->len; i++) {
        const PatchElfItem *item = patch_elf_item(pairing->new_elf, i);
        guint32 piece;

        if (pairing->old_of_new[i] < 0 && g_hash_table_contains(job->compose->shared, item->name) &&
            !patch_new_code_add(job->code, i, &piece, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- Data ---- */

static gboolean
add_initial(PatchJob *job, const PatchInitial *initial, GError **error)
{
    const PatchElfItem *item = patch_elf_item(job->code_diff->pairing->old_elf, initial->old_item);

    if (!patch_new_data_derive(job->object, job->running, job->code_diff, job->old, job->code, initial, error))
        return FALSE;
    g_ptr_array_add(job->compose->notes,
                    g_strdup_printf("%s gets its new initial value where it is; what the running kernel has copied from it, or "
                                    "made of it, stays as it is", item->name));
    return TRUE;
}

/* After the code: what data refer to is there then. */
static gboolean
add_data(PatchJob *job, GError **error)
{
    for (guint i = 0; i < job->code_diff->initials->len; i++)
        if (!add_initial(job, &g_array_index(job->code_diff->initials, PatchInitial, i), error))
            return FALSE;
    return patch_compose_add_settings(job, error) && patch_new_data_check(job->object, error);
}

static gboolean
has_shared(const PatchJob *job)
{
    for (guint32 i = 0; i < job->new_elf->items->len; i++)
        if (job->diff->pairing->old_of_new[i] < 0 &&
            g_hash_table_contains(job->compose->shared, patch_elf_item(job->new_elf, i)->name))
            return TRUE;
    return FALSE;
}

static gboolean
add_hooks(PatchJob *job, GError **error)
{
    g_autoptr(GArray) entries = patch_hook_table_read(job->code_diff->pairing->new_elf, error);

    for (guint i = 0; entries && i < entries->len; i++) {
        const PatchHookEntry *entry = &g_array_index(entries, PatchHookEntry, i);
        PatchHook hook = { .kind = entry->kind, .limit_s = entry->limit_s };

        if (!patch_new_code_add(job->code, entry->item, &hook.piece, error))
            return FALSE;
        g_array_append_val(job->object->hooks, hook);
    }
    return entries != NULL;
}

static gboolean
start_job(PatchJob *job, GError **error)
{
    job->object = patch_object_new();
    job->carry.replaced = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    job->findings = patch_findings_new();
    job->object->path = g_strdup_printf("%.*s.o", (int) (strlen(job->file->path) - 2), job->file->path);
    job->object->module = patch_build_module(job->build, job->file->path, error);
    return job->object->module != NULL;
}

static gboolean
read_running(PatchJob *job, GError **error)
{
    job->running = patch_compose_build(job, PATCH_BUILD_RUNNING, error);
    job->old = job->running ? patch_old_code_new(job->object, job->running, error) : NULL;
    return job->old != NULL;
}

/* NULL without an error if there is nothing in it: a setting was of another object. */
static PatchObject *
finish_object(PatchJob *job, GError **error)
{
    if (job->object->replacements->len + job->object->pieces->len + job->object->data->len == 0)
        return NULL;
    return patch_old_code_add_witnesses(job->old, error) ? g_steal_pointer(&job->object) : NULL;
}

PatchObject *
patch_compose_object(PatchBuild *build, const PatchFile *file, PatchCompose *compose, GError **error)
{
    g_auto(PatchJob) job = { .build = build, .file = file, .compose = compose };

    if (!start_job(&job, error) || !patch_compose_find_changes(&job, error))
        return NULL;
    if (g_hash_table_size(job.carry.replaced) == 0 && job.diff->initials->len == 0 && !has_shared(&job) &&
        !patch_compose_has_settings(&job) && !patch_hook_table_is_there(job.new_elf))
        return NULL;
    if (!read_running(&job, error) || !patch_compose_find_changes_as_run(&job, error) || !build_code(&job, error))
        return NULL;
    job.code = patch_new_code_new(job.object, job.code_diff, job.old, job.carry.replaced, compose->notes);
    if (!add_replacements(&job, error) || !add_shared(&job, error) || !add_hooks(&job, error) || !add_data(&job, error))
        return NULL;
    patch_runner_end_pad(job.object);
    patch_escape_note(job.object, compose->notes);
    return finish_object(&job, error);
}

PatchObject *
patch_compose_settings(PatchBuild *build, const PatchFile *file, PatchCompose *compose, GError **error)
{
    g_auto(PatchJob) job = { .build = build, .file = file, .compose = compose };

    if (!start_job(&job, error) || !read_running(&job, error) || !patch_compose_add_settings(&job, error) ||
        !patch_new_data_check(job.object, error))
        return NULL;
    return finish_object(&job, error);
}
