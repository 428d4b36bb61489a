/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each pair of sources, compiled as the kernel is, and what is said of it.
 */
#include "config.h"

#include <glib/gstdio.h>

#include "patcher/changes.h"
#include "tests/patcher/diff-cases.h"

static char *folder;

/* Numbers that the compiler gives out, and what variants it makes, are its own business. */
static char *
plain(const char *name)
{
    const char *dot = strchr(name, '.');

    return dot && dot != name ? g_strdup_printf("%.*s.*", (int) (dot - name), name) : g_strdup(name);
}

static void
append(GString *text, const char *word, const char *name)
{
    g_autofree char *shown = plain(name);

    g_string_append_printf(text, "%s%s %s", text->len ? ", " : "", word, shown);
}

static char *
describe(const PatchChanges *changes)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < changes->changes->len; i++) {
        const PatchChange *change = changes->changes->pdata[i];

        append(text, patch_change_kind_name(change->kind), change->name);
    }
    for (guint i = 0; i < changes->findings->len; i++) {
        const PatchFinding *finding = changes->findings->pdata[i];

        append(text, patch_finding_class_name(finding->class), finding->name);
    }
    return g_string_free(text, FALSE);
}

static void
test_case(gconstpointer data)
{
    const DiffCase *one = data;
    g_autoptr(PatchElf) old_elf = diff_case_compile(folder, "gcc", "old", one->old_source);
    g_autoptr(PatchElf) new_elf = diff_case_compile(folder, "gcc", "new", one->new_source);
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchChanges) changes = patch_changes_find(old_elf, new_elf, &error);
    g_autofree char *found = NULL;

    g_assert_no_error(error);
    found = describe(changes);
    g_assert_cmpstr(found, ==, one->expected);
}

/* The same source is the same with either compiler; and what was said of gcc's objects is said of clang's. */
static void
test_clang(void)
{
    g_autofree char *clang = g_find_program_in_path("clang");

    if (!clang) {
        g_test_skip("no clang");
        return;
    }
    for (gsize i = 0; i < diff_cases_n; i++) {
        g_autoptr(PatchElf) elf = diff_case_compile(folder, "clang", "old", diff_cases[i].old_source);
        g_autoptr(PatchElf) again = diff_case_compile(folder, "clang", "new", diff_cases[i].old_source);
        g_autoptr(PatchElf) other = diff_case_compile(folder, "clang", "new", diff_cases[i].new_source);
        g_autoptr(PatchChanges) same = patch_changes_find(elf, again, NULL);
        g_autoptr(PatchChanges) changes = patch_changes_find(elf, other, NULL);

        g_assert_nonnull(same);
        g_assert_cmpuint(same->changes->len + same->findings->len, ==, 0);
        g_assert_nonnull(changes);
        if ((changes->changes->len + changes->findings->len == 0) != !*diff_cases[i].expected)
            g_error("%s: clang differs", diff_cases[i].name);
    }
}

int
main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("diff-XXXXXX", NULL);
    for (gsize i = 0; i < diff_cases_n; i++) {
        g_autofree char *path = g_strconcat("/diff-cases/", diff_cases[i].name, NULL);

        g_test_add_data_func(path, &diff_cases[i], test_case);
    }
    g_test_add_func("/diff-cases/clang", test_clang);
    status = g_test_run();
    g_rmdir(folder);
    g_free(folder);
    return status;
}
