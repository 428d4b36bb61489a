/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/compose.h"

#include <string.h>

#include "patcher/carry.h"
#include "patcher/constant-use.h"
#include "patcher/csource.h"
#include "patcher/error.h"
#include "patcher/handed-out.h"
#include "patcher/hook-table.h"
#include "patcher/new-code.h"
#include "patcher/new-data.h"
#include "patcher/reasons.h"
#include "patcher/renamed-types.h"
#include "patcher/runner-end.h"
#include "patcher/types.h"

typedef struct {
    PatchBuild *build;
    const PatchFile *file;
    PatchObject *object;
    PatchElf *running, *old_elf, *new_elf, *code_elf;
    PatchDiff *diff;                /* of old and new: what changed */
    PatchDiff *code_diff;           /* of old and code: what new code refers to; the same one where new code can be
                                       taken as the kernel's build makes it */
    PatchCarry carry;               /* which functions to replace */
    GPtrArray *findings;            /* of PatchFinding */
    PatchCompose *compose;
    PatchReasons *reasons;
    PatchOldCode *old;
    PatchNewCode *code;
} Job;

static void
job_clear(Job *job)
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
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_clear)

static PatchElf *
build_and_read(const Job *job, PatchBuildVariant variant, GError **error)
{
    g_autofree char *path = patch_build_object(job->build, job->file->path, variant, error);

    return path ? patch_elf_read(path, error) : NULL;
}

/* A boot-time function that the patch does not speak of, and that inlines what is used elsewhere too, is no loss. */
static void
find_boot_changes(Job *job)
{
    for (guint i = 0; i < job->diff->boot_only->len; i++) {
        const PatchElfItem *item = patch_elf_item(job->new_elf, g_array_index(job->diff->boot_only, guint32, i));
        gboolean is_touched = patch_reasons_is_touched(job->reasons, item->name);
        const char *cause = is_touched ? NULL : patch_reasons_at_boot(job->reasons, job->old_elf, item->name);

        if (*job->object->module && g_str_has_prefix(patch_elf_section(job->new_elf, item->section)->name, ".exit."))
            g_hash_table_insert(job->carry.replaced, g_strdup(item->name), g_strdup(""));
        else if (is_touched || cause)
            patch_diff_add_boot_finding(job->findings, job->new_elf, item, cause);
        else
            g_ptr_array_add(job->compose->notes, g_strdup_printf("%s, which runs at boot only, would change too: a "
                                                                 "running kernel has no use for that", item->name));
    }
}

/* A constant that is stored somewhere, and looked for somewhere, may be what a running kernel's memory holds, whatever it
 * is called. */
static gboolean
check_counts(Job *job, const GPtrArray *counts, GError **error)
{
    const guint as_state = PATCH_CONSTANT_STORED | PATCH_CONSTANT_COMPARED;
    g_autofree char *text = counts->len ? patch_build_preprocess(job->build, job->file->path, PATCH_BUILD_OLD, error)
                                        : g_strdup("");

    for (guint i = 0; text && i < counts->len; i++) {
        const char *name = counts->pdata[i];
        guint uses = patch_constant_use(text, strlen(text), name) |
                     GPOINTER_TO_UINT(g_hash_table_lookup(job->compose->count_uses, name));

        g_hash_table_insert(job->compose->count_uses, g_strdup(name), GUINT_TO_POINTER(uses));
        if (uses == as_state)
            patch_findings_add(job->findings, PATCH_FINDING_MEMBERS, name,
                               "the constant %s changes, which is stored and looked for: where a running kernel's memory "
                               "holds it, it would be taken for another: leave it as it is, and put what is new behind it", name);
    }
    return text != NULL;
}

static gboolean
compare_types(Job *job, GError **error)
{
    g_autoptr(PatchDwarf) old_dwarf = patch_dwarf_read(job->old_elf);
    g_autoptr(PatchDwarf) new_dwarf = old_dwarf ? patch_dwarf_read(job->new_elf) : NULL;
    g_autoptr(GPtrArray) counts = g_ptr_array_new_with_free_func(g_free);

    if (new_dwarf) {
        patch_types_compare(job->diff->pairing, old_dwarf, new_dwarf, job->findings, job->compose->notes, counts);
        patch_renamed_types_find(old_dwarf, new_dwarf, patch_build_files(job->build)->text, job->findings);
    }
    job->reasons = patch_reasons_new(job->build, job->file, g_steal_pointer(&old_dwarf), g_steal_pointer(&new_dwarf));
    return check_counts(job, counts, error);
}

/* Whether functions changed that have their old size, though the patch does not touch them: most often by __LINE__. */
static gboolean
may_be_lines(const Job *job)
{
    const PatchPairing *pairing = job->diff->pairing;

    for (guint i = 0; i < job->diff->changed->len; i++) {
        guint32 number = g_array_index(job->diff->changed, guint32, i);
        const PatchElfItem *item = patch_elf_item(job->new_elf, number);

        if (item->size == patch_elf_item(job->old_elf, pairing->old_of_new[number])->size &&
            !patch_reasons_is_touched(job->reasons, item->name))
            return TRUE;
    }
    return FALSE;
}

/* Leaves out what differs in moved line numbers only. That is not told by the numbers, which might be sizes or offsets:
 * what is no line is different, too, where lines count as before. */
static gboolean
forget_lines(Job *job, GError **error)
{
    g_autoptr(PatchElf) elf = NULL;
    g_autoptr(PatchDiff) lines = NULL;

    if (!may_be_lines(job))
        return TRUE;
    elf = build_and_read(job, PATCH_BUILD_NEW_LINES, error);
    lines = elf ? patch_diff_new(job->old_elf, elf, error) : NULL;
    if (lines)
        patch_diff_forget_lines(job->diff, lines);
    return lines != NULL;
}

static gboolean
find_changes(Job *job, GError **error)
{
    job->old_elf = build_and_read(job, PATCH_BUILD_OLD, error);
    job->new_elf = job->old_elf ? build_and_read(job, PATCH_BUILD_NEW, error) : NULL;
    job->diff = job->new_elf ? patch_diff_new(job->old_elf, job->new_elf, error) : NULL;
    if (!job->diff)
        return FALSE;
    if (!compare_types(job, error) || !forget_lines(job, error))
        return FALSE;
    patch_handed_out_find(job->diff, job->findings);
    for (guint i = 0; i < job->diff->changed->len; i++) {
        guint32 item = g_array_index(job->diff->changed, guint32, i);

        g_hash_table_insert(job->carry.replaced, g_strdup(patch_elf_item(job->new_elf, item)->name), g_strdup(""));
    }
    find_boot_changes(job);
    /* Types first: they say why data of a changed structure differ. */
    g_ptr_array_extend_and_steal(job->findings, g_ptr_array_ref(job->diff->findings));
    return patch_findings_override(job->findings, job->compose->force, &job->compose->used, error);
}

/* The functions of DIFF that changed and are not replaced yet, as a set of their names; to be unreffed. */
static GHashTable *
changed_beside(const Job *job, const PatchDiff *diff)
{
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < diff->changed->len; i++) {
        const char *name = patch_elf_item(diff->pairing->new_elf, g_array_index(diff->changed, guint32, i))->name;

        if (!g_hash_table_contains(job->carry.replaced, name))
            g_hash_table_add(names, g_strdup(name));
    }
    return names;
}

/* The kernel's own build may compile a function in another way than one with a section for each (inline what changed, say),
 * and then it does not tell by the latter that it changed. Such are compared as they run. */
static gboolean
find_changes_as_run(Job *job, GError **error)
{
    g_autoptr(PatchDiff) ways = patch_diff_new(job->old_elf, job->running, error), diff = NULL;
    g_autoptr(GHashTable) other = ways ? changed_beside(job, ways) : NULL, names = NULL;
    g_autoptr(PatchElf) elf = NULL;
    GHashTableIter iter;
    gpointer name;

    if (!ways || !g_hash_table_size(other))
        return ways != NULL;
    elf = build_and_read(job, PATCH_BUILD_NEW_RUNNING, error);
    diff = elf ? patch_diff_new(job->running, elf, error) : NULL;
    if (!diff)
        return FALSE;
    names = changed_beside(job, diff);
    g_hash_table_iter_init(&iter, names);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        if (g_hash_table_contains(other, name))
            g_hash_table_insert(job->carry.replaced, g_strdup(name), g_strdup(""));
    return TRUE;
}

/* Whether code that is changed or new has entries in tables that only the kernel's image can have. */
static gboolean
needs_own_headers(const Job *job)
{
    const GArray *entries = job->diff->new_entries;

    for (guint i = 0; i < entries->len; i++) {
        const PatchTableEntry *entry = &g_array_index(entries, PatchTableEntry, i);
        gint32 number = patch_elf_item_at(job->new_elf, entry->code_section, entry->code_offset);

        if (entry->kind != PATCH_TABLE_JUMPS && entry->kind != PATCH_TABLE_BUGS)
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
build_code(Job *job, GError **error)
{
    job->code_diff = job->diff;
    if (needs_own_headers(job)) {
        job->code_elf = build_and_read(job, PATCH_BUILD_NEW_CODE, error);
        job->code_diff = job->code_elf ? patch_diff_new(job->old_elf, job->code_elf, error) : NULL;
    }
    if (!job->code_diff)
        return FALSE;
    job->carry.pairing = job->diff->pairing;
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

/* Item NEW_ITEM of the code's object takes over from its pair. */
static gboolean
add_replacement(Job *job, guint32 new_item, GError **error)
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
add_replacements(Job *job, GError **error)
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
add_shared(Job *job, GError **error)
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

/* SETTING's variable in this object, -1 if it is of another one. */
static gboolean
find_setting(const Job *job, const PatchSetting *setting, gint32 *item, GError **error)
{
    const char *other = g_hash_table_lookup(job->compose->settled, setting);

    *item = -1;
    if (setting->file && !g_str_equal(setting->file, job->file->path))
        return TRUE;
    if (!patch_new_data_find(job->running, setting, item, error))
        return FALSE;
    if (*item >= 0 && other && !g_str_equal(other, job->file->path)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "%s: %s and %s have a variable of that name each; name the file",
                    setting->source, other, job->file->path);
        return FALSE;
    }
    return TRUE;
}

/* Whether any setting may be of this object. */
static gboolean
has_settings(const Job *job)
{
    for (guint i = 0; i < job->compose->settings->len; i++) {
        const PatchSetting *setting = job->compose->settings->pdata[i];

        if (!setting->file || g_str_equal(setting->file, job->file->path))
            return TRUE;
    }
    return FALSE;
}

static gboolean
add_settings(Job *job, GError **error)
{
    for (guint i = 0; i < job->compose->settings->len; i++) {
        const PatchSetting *setting = job->compose->settings->pdata[i];
        gint32 item;

        if (!find_setting(job, setting, &item, error))
            return FALSE;
        if (item < 0)
            continue;
        g_hash_table_insert(job->compose->settled, (gpointer) setting, g_strdup(job->file->path));
        if (!patch_new_data_set(job->object, job->running, job->old, item, setting, job->compose->notes, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
add_initial(Job *job, const PatchInitial *initial, GError **error)
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
add_data(Job *job, GError **error)
{
    for (guint i = 0; i < job->code_diff->initials->len; i++)
        if (!add_initial(job, &g_array_index(job->code_diff->initials, PatchInitial, i), error))
            return FALSE;
    return add_settings(job, error) && patch_new_data_check(job->object, error);
}

static gboolean
has_shared(const Job *job)
{
    for (guint32 i = 0; i < job->new_elf->items->len; i++)
        if (job->diff->pairing->old_of_new[i] < 0 &&
            g_hash_table_contains(job->compose->shared, patch_elf_item(job->new_elf, i)->name))
            return TRUE;
    return FALSE;
}

static gboolean
add_hooks(Job *job, GError **error)
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
start_job(Job *job, GError **error)
{
    job->object = patch_object_new();
    job->carry.replaced = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    job->findings = patch_findings_new();
    job->object->path = g_strdup_printf("%.*s.o", (int) (strlen(job->file->path) - 2), job->file->path);
    job->object->module = patch_build_module(job->build, job->file->path, error);
    return job->object->module != NULL;
}

static gboolean
read_running(Job *job, GError **error)
{
    job->running = build_and_read(job, PATCH_BUILD_RUNNING, error);
    job->old = job->running ? patch_old_code_new(job->object, job->running, error) : NULL;
    return job->old != NULL;
}

/* NULL without an error if there is nothing in it: a setting was of another object. */
static PatchObject *
finish_object(Job *job, GError **error)
{
    if (job->object->replacements->len + job->object->pieces->len + job->object->data->len == 0)
        return NULL;
    return patch_old_code_add_witnesses(job->old, error) ? g_steal_pointer(&job->object) : NULL;
}

PatchObject *
patch_compose_object(PatchBuild *build, const PatchFile *file, PatchCompose *compose, GError **error)
{
    g_auto(Job) job = { .build = build, .file = file, .compose = compose };

    if (!start_job(&job, error) || !find_changes(&job, error))
        return NULL;
    if (g_hash_table_size(job.carry.replaced) == 0 && job.diff->initials->len == 0 && !has_shared(&job) &&
        !has_settings(&job) && !patch_hook_table_is_there(job.new_elf))
        return NULL;
    if (!read_running(&job, error) || !find_changes_as_run(&job, error) || !build_code(&job, error))
        return NULL;
    job.code = patch_new_code_new(job.object, job.code_diff, job.old, job.carry.replaced, compose->notes);
    if (!add_replacements(&job, error) || !add_shared(&job, error) || !add_hooks(&job, error) || !add_data(&job, error))
        return NULL;
    patch_runner_end_pad(job.object);
    return finish_object(&job, error);
}

PatchObject *
patch_compose_settings(PatchBuild *build, const PatchFile *file, PatchCompose *compose, GError **error)
{
    g_auto(Job) job = { .build = build, .file = file, .compose = compose };

    if (!start_job(&job, error) || !read_running(&job, error) || !add_settings(&job, error) ||
        !patch_new_data_check(job.object, error))
        return NULL;
    return finish_object(&job, error);
}
