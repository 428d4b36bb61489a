/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/diff.h"

#include <elf.h>

#include "patcher/compare.h"
#include "patcher/homes.h"
#include "patcher/initial.h"
#include "patcher/item-name.h"
#include "patcher/tables.h"

#define PART ".cold"

void
patch_diff_free(PatchDiff *diff)
{
    if (!diff)
        return;
    patch_pairing_free(diff->pairing);
    g_clear_pointer(&diff->old_entries, g_array_unref);
    g_clear_pointer(&diff->new_entries, g_array_unref);
    g_free(diff->same);
    g_hash_table_unref(diff->same_unpaired);
    g_array_unref(diff->decided);
    g_array_unref(diff->changed);
    g_array_unref(diff->boot_only);
    g_array_unref(diff->changed_data);
    g_array_unref(diff->initials);
    g_ptr_array_unref(diff->findings);
    g_free(diff);
}

gboolean
patch_diff_is_same(PatchDiff *diff, guint32 new_item)
{
    gint32 old_item = diff->pairing->old_of_new[new_item];

    return old_item >= 0 && patch_compare_items(diff, old_item, new_item);
}

static void
add_once(GArray *items, guint32 item)
{
    for (guint i = 0; i < items->len; i++)
        if (g_array_index(items, guint32, i) == item)
            return;
    g_array_append_val(items, item);
}

static void
add_changed(PatchDiff *diff, guint32 item)
{
    const PatchElf *elf = diff->pairing->new_elf;
    g_autofree char *whole = patch_whole_name(patch_elf_item(elf, item)->name);
    gboolean is_whole = g_str_equal(whole, patch_elf_item(elf, item)->name);
    gint32 number = is_whole ? (gint32) item : patch_elf_find_item(elf, whole);
    const char *section;

    /* A part's function that is new itself is brought along by whoever calls it. */
    if (number < 0 || diff->pairing->old_of_new[number] < 0)
        return;
    section = patch_elf_section(elf, patch_elf_item(elf, number)->section)->name;
    add_once(patch_is_boot_section(section) ? diff->boot_only : diff->changed, number);
}

static void
compare_functions(PatchDiff *diff)
{
    const PatchElf *elf = diff->pairing->new_elf;

    for (guint32 i = 0; i < elf->items->len; i++) {
        const PatchElfItem *item = patch_elf_item(elf, i);
        gint32 pair = diff->pairing->old_of_new[i];

        if (!item->is_function)
            continue;
        if (pair < 0 && strstr(item->name, PART))
            add_changed(diff, i);
        else if (pair >= 0 && !patch_compare_items(diff, pair, i))
            add_changed(diff, i);
    }
}

static void
add_size_finding(PatchDiff *diff, const PatchElfItem *old_item, const PatchElfItem *item)
{
    const PatchElfSection *section = patch_elf_section(diff->pairing->new_elf, item->section);

    patch_findings_add(diff->findings, section->flags & SHF_WRITE ? PATCH_FINDING_SIZE : PATCH_FINDING_DATA, item->name,
                       "the size of %s (in %s) changes from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
                       " bytes; data that exist in a running kernel cannot grow or move: leave them as they are, "
                       "and put what is new into a variable of its own", item->name, section->name,
                       old_item->size, item->size);
}

/* Constants that only functions of this file refer to may change: those functions count as changed, and take the new
 * ones along. Other data can get their new value where they are, if that is known to be right. */
static void
check_changed_datum(PatchDiff *diff, guint32 old_number, guint32 new_number)
{
    const PatchElf *elf = diff->pairing->new_elf;
    const PatchElfItem *item = patch_elf_item(elf, new_number);
    const PatchElfItem *old_item = patch_elf_item(diff->pairing->old_elf, old_number);
    const PatchElfSection *section = patch_elf_section(elf, item->section);
    const PatchInitial *initial = patch_initial_find(diff, new_number);

    if (g_str_equal(section->name, "__dyndbg"))
        return;
    add_once(diff->changed_data, new_number);
    if (patch_is_boot_section(section->name)) {
        patch_diff_add_boot_finding(diff->findings, elf, item, NULL);
        return;
    }
    if (patch_initial_goes_with_code(diff, new_number) || (initial && !initial->doubt))
        return;
    if (old_item->size != item->size)
        add_size_finding(diff, old_item, item);
    else if (initial)
        patch_findings_add(diff->findings, PATCH_FINDING_DATA, item->name,
                           "the initial value of %s (in %s) changes, and that a running kernel's may simply get the new one "
                           "cannot be told: %s; --force data gives it the new one where it still has the old one, and --set "
                           "does that to a single member", item->name, section->name, initial->doubt);
    else
        patch_findings_add(diff->findings, PATCH_FINDING_DATA, item->name,
                           "the initial value of %s changes, and a running kernel's cannot be changed where it is (in %s): it "
                           "takes a hook; --force data leaves it as it is", item->name, section->name);
}

static void
compare_data(PatchDiff *diff)
{
    const PatchElf *elf = diff->pairing->new_elf;

    for (guint32 i = 0; i < elf->items->len; i++) {
        gint32 pair = diff->pairing->old_of_new[i];

        if (!patch_elf_item(elf, i)->is_function && pair >= 0 &&
            (patch_initial_find(diff, i) || !patch_compare_items(diff, pair, i)))
            check_changed_datum(diff, pair, i);
    }
}

void
patch_diff_add_boot_finding(GPtrArray *findings, const PatchElf *elf, const PatchElfItem *item, const char *cause)
{
    const char *section = patch_elf_section(elf, item->section)->name;
    const char *what = item->is_function ? "runs" : "is looked at";

    if (g_str_has_prefix(section, ".exit."))
        patch_findings_add(findings, PATCH_FINDING_INIT, item->name,
                           "%s (in %s) changes%s%s, which %s when its module is unloaded, and never if it is built in",
                           item->name, section, cause ? " by " : "", cause ? cause : "", what);
    else
        patch_findings_add(findings, PATCH_FINDING_INIT, item->name,
                           "%s (in %s) changes%s%s, which %s at boot or when its module is loaded, and never again: it takes a "
                           "hook that does in the running kernel what would have been done; if that is to set a variable, "
                           "create --set FILE.c:VARIABLE=VALUE does it (docs/writing-updates.md)", item->name, section,
                           cause ? " by " : "", cause ? cause : "", what);
}

static int
compare_numbers(gconstpointer a, gconstpointer b)
{
    guint32 first = *(const guint32 *) a, second = *(const guint32 *) b;

    return first < second ? -1 : first > second;
}

PatchDiff *
patch_diff_new(const PatchElf *old_elf, const PatchElf *new_elf, GError **error)
{
    g_autoptr(PatchDiff) diff = g_new0(PatchDiff, 1);

    diff->changed = g_array_new(FALSE, FALSE, sizeof(guint32));
    diff->boot_only = g_array_new(FALSE, FALSE, sizeof(guint32));
    diff->changed_data = g_array_new(FALSE, FALSE, sizeof(guint32));
    diff->initials = g_array_new(FALSE, FALSE, sizeof(PatchInitial));
    g_array_set_clear_func(diff->initials, patch_initial_clear);
    diff->findings = patch_findings_new();
    diff->pairing = patch_pairing_new(old_elf, new_elf);
    diff->same = g_malloc0(old_elf->items->len + 1);
    diff->same_unpaired = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    diff->decided = g_array_new(FALSE, FALSE, sizeof(guint64));
    diff->old_entries = patch_tables_read(old_elf, error);
    if (!diff->old_entries)
        return NULL;
    diff->new_entries = patch_tables_read(new_elf, error);
    if (!diff->new_entries)
        return NULL;
    patch_homes_compare(diff);
    patch_initials_find(diff);
    compare_data(diff);
    compare_functions(diff);
    g_array_sort(diff->changed, compare_numbers);
    g_array_sort(diff->boot_only, compare_numbers);
    return g_steal_pointer(&diff);
}

static gboolean
contains(const GArray *items, gint32 item)
{
    for (guint i = 0; i < items->len; i++)
        if ((gint32) g_array_index(items, guint32, i) == item)
            return TRUE;
    return FALSE;
}

static void
forget_lines(GArray *items, const PatchDiff *diff, const PatchDiff *lines, const GArray *changed)
{
    for (guint i = items->len; i > 0; i--) {
        gint32 old_item = diff->pairing->old_of_new[g_array_index(items, guint32, i - 1)];
        gint32 pair = lines->pairing->new_of_old[old_item];

        if (pair >= 0 && !contains(changed, pair))
            g_array_remove_index(items, i - 1);
    }
}

void
patch_diff_forget_lines(PatchDiff *diff, const PatchDiff *lines)
{
    forget_lines(diff->changed, diff, lines, lines->changed);
    forget_lines(diff->boot_only, diff, lines, lines->boot_only);
}
