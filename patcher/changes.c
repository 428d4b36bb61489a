/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/changes.h"

#include "patcher/carry.h"
#include "patcher/handed-out.h"
#include "patcher/item-name.h"
#include "patcher/new-code.h"
#include "patcher/renamed-types.h"
#include "patcher/types.h"

typedef struct {
    PatchChanges *changes;
    PatchDiff *diff;
    PatchCarry carry;
    GHashTable *told;           /* set of char *: texts of findings */
} Job;

static void
change_free(PatchChange *change)
{
    g_free(change->name);
    g_free(change->section);
    g_free(change->cause);
    g_free(change);
}

void
patch_changes_free(PatchChanges *changes)
{
    if (!changes)
        return;
    g_ptr_array_unref(changes->changes);
    g_ptr_array_unref(changes->findings);
    g_free(changes);
}

const char *
patch_change_kind_name(PatchChangeKind kind)
{
    static const char *const names[] = {
        [PATCH_CHANGED] = "changed", [PATCH_NEW] = "new", [PATCH_GONE] = "gone", [PATCH_CARRIER] = "caller",
    };

    return names[kind];
}

/* OLD_ITEM or NEW_ITEM may be -1. */
static void
add_change(Job *job, PatchChangeKind kind, gint32 old_item, gint32 new_item, const char *cause)
{
    const PatchPairing *pairing = job->diff->pairing;
    const PatchElfItem *old_it = old_item >= 0 ? patch_elf_item(pairing->old_elf, old_item) : NULL;
    const PatchElfItem *new_it = new_item >= 0 ? patch_elf_item(pairing->new_elf, new_item) : NULL;
    const PatchElfItem *it = new_it ? new_it : old_it;
    PatchChange *change = g_new0(PatchChange, 1);

    *change = (PatchChange) {
        .kind = kind, .is_function = it->is_function, .name = g_strdup(it->name), .cause = g_strdup(cause),
        .section = g_strdup(patch_elf_section(new_it ? pairing->new_elf : pairing->old_elf, it->section)->name),
        .old_bytes = old_it ? old_it->size : 0, .new_bytes = new_it ? new_it->size : 0,
    };
    g_ptr_array_add(job->changes->changes, change);
}

static void
add_changed(Job *job, const GArray *items)
{
    for (guint i = 0; i < items->len; i++) {
        guint32 item = g_array_index(items, guint32, i);

        add_change(job, PATCH_CHANGED, job->diff->pairing->old_of_new[item], item, "");
    }
}

/* Functions and data of ELF that have no pair. */
static void
add_unpaired(Job *job, const PatchElf *elf, const gint32 *pairs, PatchChangeKind kind)
{
    for (guint32 i = 0; i < elf->items->len; i++) {
        const PatchElfItem *item = patch_elf_item(elf, i);
        g_autofree char *whole = patch_whole_name(item->name);

        if (pairs[i] >= 0 || !patch_elf_takes_part(elf, i) || !item->size || !g_str_equal(whole, item->name))
            continue;
        add_change(job, kind, kind == PATCH_GONE ? (gint32) i : -1, kind == PATCH_GONE ? -1 : (gint32) i, "");
    }
}

static void
add_code_finding(Job *job, const char *name, const GError *cause)
{
    if (g_hash_table_contains(job->told, cause->message))
        return;
    g_hash_table_add(job->told, g_strdup(cause->message));
    patch_findings_add(job->changes->findings, PATCH_FINDING_CODE, name, "%s", cause->message);
}

/* Puts the new code of function NAME together as create would, to see whether that can be done. */
static void
try_code(Job *job, const char *name)
{
    const PatchPairing *pairing = job->diff->pairing;
    g_autoptr(PatchObject) object = patch_object_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchOldCode) old = patch_old_code_new(object, pairing->old_elf, &error);
    g_autoptr(PatchNewCode) code = NULL;
    gint32 item = patch_elf_find_item(pairing->new_elf, name);
    guint32 index;

    if (!old || item < 0)
        return;
    code = patch_new_code_new(object, job->diff, old, job->carry.replaced, NULL);
    patch_new_code_as_built(code);
    if (!patch_new_code_add(code, item, &index, &error))
        add_code_finding(job, name, error);
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static void
find_obstacles(Job *job)
{
    const PatchPairing *pairing = job->diff->pairing;
    g_autofree gpointer *names = NULL;
    guint n;

    for (guint i = 0; i < job->diff->changed->len; i++) {
        guint32 item = g_array_index(job->diff->changed, guint32, i);

        g_hash_table_insert(job->carry.replaced, g_strdup(patch_elf_item(pairing->new_elf, item)->name), g_strdup(""));
    }
    patch_carry_expand(&job->carry);
    names = g_hash_table_get_keys_as_array(job->carry.replaced, &n);
    qsort(names, n, sizeof names[0], compare_names);
    for (guint i = 0; i < n; i++) {
        const char *cause = g_hash_table_lookup(job->carry.replaced, names[i]);
        gint32 item = patch_elf_find_item(pairing->new_elf, names[i]);

        if (*cause && item >= 0)
            add_change(job, PATCH_CARRIER, pairing->old_of_new[item], item, cause);
        try_code(job, names[i]);
    }
    for (guint i = 0; i < job->diff->boot_only->len; i++)
        patch_diff_add_boot_finding(job->changes->findings, pairing->new_elf,
                                    patch_elf_item(pairing->new_elf, g_array_index(job->diff->boot_only, guint32, i)), NULL);
}

static void
compare_types(Job *job)
{
    const PatchElf *old_elf = job->diff->pairing->old_elf;
    g_autoptr(PatchDwarf) old_dwarf = patch_dwarf_read(old_elf);
    g_autoptr(PatchDwarf) new_dwarf = old_dwarf ? patch_dwarf_read(job->diff->pairing->new_elf) : NULL;

    if (new_dwarf) {
        patch_types_compare(job->diff->pairing, old_dwarf, new_dwarf, job->changes->findings, NULL, NULL);
        patch_renamed_types_find(old_dwarf, new_dwarf, NULL, job->changes->findings);
    }
}

static int
compare_changes(gconstpointer a, gconstpointer b)
{
    const PatchChange *first = *(const PatchChange *const *) a, *second = *(const PatchChange *const *) b;

    return first->kind != second->kind ? (int) first->kind - (int) second->kind : strcmp(first->name, second->name);
}

static void
job_clear(Job *job)
{
    patch_changes_free(job->changes);
    patch_diff_free(job->diff);
    g_clear_pointer(&job->carry.replaced, g_hash_table_unref);
    g_clear_pointer(&job->told, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_clear)

PatchChanges *
patch_changes_find(const PatchElf *old_elf, const PatchElf *new_elf, GError **error)
{
    g_auto(Job) job = { .changes = g_new0(PatchChanges, 1) };

    job.changes->changes = g_ptr_array_new_with_free_func((GDestroyNotify) change_free);
    job.changes->findings = patch_findings_new();
    job.told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    job.diff = patch_diff_new(old_elf, new_elf, error);
    if (!job.diff)
        return NULL;
    g_ptr_array_extend_and_steal(job.changes->findings, g_ptr_array_ref(job.diff->findings));
    job.carry = (PatchCarry) {
        .pairing = job.diff->pairing, .running = { old_elf, job.diff->old_entries }, .code = new_elf,
        .findings = job.changes->findings,
        .replaced = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
    };
    compare_types(&job);
    patch_handed_out_find(job.diff, job.changes->findings);
    add_changed(&job, job.diff->changed);
    add_changed(&job, job.diff->boot_only);
    add_changed(&job, job.diff->changed_data);
    add_unpaired(&job, new_elf, job.diff->pairing->old_of_new, PATCH_NEW);
    add_unpaired(&job, old_elf, job.diff->pairing->new_of_old, PATCH_GONE);
    find_obstacles(&job);
    g_ptr_array_sort(job.changes->changes, compare_changes);
    return g_steal_pointer(&job.changes);
}
