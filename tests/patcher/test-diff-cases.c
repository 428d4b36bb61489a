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

/* The same source is the same wherever it is compiled; and where gcc's objects differ, this compiler's do. */
static void
test_compiler(gconstpointer compiler)
{
    g_autofree char *elsewhere = g_build_filename(folder, "elsewhere", NULL);

    g_mkdir(elsewhere, 0700);
    for (gsize i = 0; i < diff_cases_n; i++) {
        g_autoptr(PatchElf) elf = diff_case_compile(folder, compiler, "old", diff_cases[i].old_source);
        g_autoptr(PatchElf) again = diff_case_compile(elsewhere, compiler, "new", diff_cases[i].old_source);
        g_autoptr(PatchElf) other = diff_case_compile(folder, compiler, "new", diff_cases[i].new_source);
        g_autoptr(PatchChanges) same = patch_changes_find(elf, again, NULL);
        g_autoptr(PatchChanges) changes = patch_changes_find(elf, other, NULL);

        g_assert_nonnull(same);
        g_assert_cmpuint(same->changes->len + same->findings->len, ==, 0);
        g_assert_nonnull(changes);
        if ((changes->changes->len + changes->findings->len == 0) != !*diff_cases[i].expected)
            g_error("%s: %s differs", diff_cases[i].name, (const char *) compiler);
    }
    g_rmdir(elsewhere);
}

/* Those that the machine has. */
static void
add_compilers(void)
{
    static const char *const compilers[] = {
        "gcc", "gcc-8", "gcc-9", "gcc-10", "gcc-11", "gcc-13", "gcc-14", "clang", "clang-11", "clang-13", "clang-15",
        "clang-16", "clang-19",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(compilers); i++) {
        g_autofree char *path = g_strconcat("/diff-cases/compilers/", compilers[i], NULL);
        g_autofree char *program = g_find_program_in_path(compilers[i]);

        if (program)
            g_test_add_data_func(path, compilers[i], test_compiler);
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
    add_compilers();
    status = g_test_run();
    g_rmdir(folder);
    g_free(folder);
    return status;
}
