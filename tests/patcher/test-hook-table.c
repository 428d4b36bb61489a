/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hooks as the compiler leaves them, and what cannot be one.
 */
#include "config.h"

#include <glib/gstdio.h>

#include "patcher/diff.h"
#include "patcher/error.h"
#include "patcher/hook-table.h"
#include "tests/patcher/diff-cases.h"

/* What kernel-headers/virt-livepatch.h makes, without the kernel's headers. */
#define START                                                                                                        \
    "struct hook { unsigned kind, seconds; int (*function)(void); };\n"                                            \
    "#define HOOK(name, ...) static const struct hook name __attribute__((__used__, __aligned__(8), "             \
    "__section__(\".virt_livepatch.hooks\"))) = { __VA_ARGS__ };\n"                                                \
    "int other(void);\nint number;\n__attribute__((__noinline__)) static int one(void) { return 1; }\n"            \
    "__attribute__((__noinline__)) static int two(void) { return other(); }\n"

static PatchElf *
compile(const char *rest)
{
    g_autofree char *folder = g_dir_make_tmp("hooks-XXXXXX", NULL), *source = g_strconcat(START, rest, NULL);
    PatchElf *elf = diff_case_compile(folder, "gcc", "new", source);

    g_assert_nonnull(elf);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    return elf;
}

static const PatchHookEntry *
find(const GArray *entries, PatchHookKind kind)
{
    for (guint i = 0; i < entries->len; i++)
        if (g_array_index(entries, PatchHookEntry, i).kind == kind)
            return &g_array_index(entries, PatchHookEntry, i);
    g_assert_not_reached();
}

static void
test_hooks(void)
{
    g_autoptr(PatchElf) elf = compile("HOOK(a, 0, 5, one) HOOK(b, 3, 3600, two)\n");
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) entries = patch_hook_table_read(elf, &error);
    const PatchHookEntry *entry;

    g_assert_no_error(error);
    g_assert_true(patch_hook_table_is_there(elf));
    g_assert_cmpuint(entries->len, ==, 2);
    entry = find(entries, PATCH_HOOK_PRE_APPLY);
    g_assert_cmpuint(entry->limit_s, ==, 5);
    g_assert_cmpstr(patch_elf_item(elf, entry->item)->name, ==, "one");
    entry = find(entries, PATCH_HOOK_POST_UNDO);
    g_assert_cmpuint(entry->limit_s, ==, 3600);
    g_assert_cmpstr(patch_elf_item(elf, entry->item)->name, ==, "two");
}

static void
test_none(void)
{
    g_autoptr(PatchElf) elf = compile("int (*keep)(void) = one; int (*keep2)(void) = two;\n");
    g_autoptr(GArray) entries = patch_hook_table_read(elf, NULL);

    g_assert_false(patch_hook_table_is_there(elf));
    g_assert_cmpuint(entries->len, ==, 0);
}

/* The kernel would never see a table of that name; that it gets entries is no change that an update cannot carry. */
static void
test_no_finding(void)
{
    g_autoptr(PatchElf) old_elf = compile("int (*keep)(void) = one; int (*keep2)(void) = two;\n");
    g_autoptr(PatchElf) new_elf = compile("int (*keep)(void) = one; int (*keep2)(void) = two; HOOK(a, 0, 5, one)\n");
    g_autoptr(PatchDiff) diff = patch_diff_new(old_elf, new_elf, NULL);

    g_assert_nonnull(diff);
    g_assert_cmpuint(diff->findings->len, ==, 0);
}

static void
test_refused(gconstpointer data)
{
    g_autoptr(PatchElf) elf = compile(data);
    g_autoptr(GError) error = NULL;

    g_assert_null(patch_hook_table_read(elf, &error));
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hook-table/hooks", test_hooks);
    g_test_add_func("/hook-table/none", test_none);
    g_test_add_func("/hook-table/no-finding", test_no_finding);
#define USE "int (*keep)(void) = one; int (*keep2)(void) = two;\n"
    g_test_add_data_func("/hook-table/unknown-kind", USE "HOOK(a, 5, 5, one)\n", test_refused);
    g_test_add_data_func("/hook-table/no-time", USE "HOOK(a, 0, 0, one)\n", test_refused);
    g_test_add_data_func("/hook-table/too-long", USE "HOOK(a, 0, 3601, one)\n", test_refused);
    g_test_add_data_func("/hook-table/no-function", USE "HOOK(a, 0, 5, 0)\n", test_refused);
    g_test_add_data_func("/hook-table/of-another-file", USE "HOOK(a, 0, 5, other)\n", test_refused);
    g_test_add_data_func("/hook-table/no-code", USE "HOOK(a, 0, 5, (int (*)(void))&number)\n", test_refused);
    g_test_add_data_func("/hook-table/no-function-before-another", USE "asm(\".pushsection .virt_livepatch.hooks, \\\"a\\\"\\n"
                         ".long 0, 5\\n.quad 0\\n.long 3, 5\\n.quad one\\n.popsection\");\n", test_refused);
    g_test_add_data_func("/hook-table/within-a-function", USE "HOOK(a, 0, 5, (int (*)(void)) ((char *) one + 1))\n", test_refused);
    g_test_add_data_func("/hook-table/half-a-pointer", USE "asm(\".pushsection .virt_livepatch.hooks, \\\"a\\\"\\n"
                         ".long 0, 5, one, 0\\n.popsection\");\n", test_refused);
    return g_test_run();
}
