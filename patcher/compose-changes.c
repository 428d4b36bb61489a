/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/compose-private.h"

#include <string.h>

#include "patcher/constant-use.h"
#include "patcher/handed-out.h"
#include "patcher/renamed-types.h"
#include "patcher/types.h"

/* A boot-time function that the patch does not speak of, and that inlines what is used elsewhere too, is no loss. */
static void
find_boot_changes(PatchJob *job)
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
check_counts(PatchJob *job, const GPtrArray *counts, GError **error)
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
compare_types(PatchJob *job, GError **error)
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
may_be_lines(const PatchJob *job)
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
forget_lines(PatchJob *job, GError **error)
{
    g_autoptr(PatchElf) elf = NULL;
    g_autoptr(PatchDiff) lines = NULL;

    if (!may_be_lines(job))
        return TRUE;
    elf = patch_compose_build(job, PATCH_BUILD_NEW_LINES, error);
    lines = elf ? patch_diff_new(job->old_elf, elf, error) : NULL;
    if (lines)
        patch_diff_forget_lines(job->diff, lines);
    return lines != NULL;
}

gboolean
patch_compose_find_changes(PatchJob *job, GError **error)
{
    job->old_elf = patch_compose_build(job, PATCH_BUILD_OLD, error);
    job->new_elf = job->old_elf ? patch_compose_build(job, PATCH_BUILD_NEW, error) : NULL;
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
changed_beside(const PatchJob *job, const PatchDiff *diff)
{
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < diff->changed->len; i++) {
        const char *name = patch_elf_item(diff->pairing->new_elf, g_array_index(diff->changed, guint32, i))->name;

        if (!g_hash_table_contains(job->carry.replaced, name))
            g_hash_table_add(names, g_strdup(name));
    }
    return names;
}

gboolean
patch_compose_find_changes_as_run(PatchJob *job, GError **error)
{
    g_autoptr(PatchDiff) ways = patch_diff_new(job->old_elf, job->running, error), diff = NULL;
    g_autoptr(GHashTable) other = ways ? changed_beside(job, ways) : NULL, names = NULL;
    g_autoptr(PatchElf) elf = NULL;
    GHashTableIter iter;
    gpointer name;

    if (!ways || !g_hash_table_size(other))
        return ways != NULL;
    elf = patch_compose_build(job, PATCH_BUILD_NEW_RUNNING, error);
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
