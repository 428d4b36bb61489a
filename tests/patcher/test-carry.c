/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has to be replaced where the changed function itself cannot be.
 */
#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "patcher/carry.h"
#include "patcher/finding.h"
#include "tests/patcher/diff-cases.h"

#define COMMON "extern int other; void keep(int (*)(int));\n"
#define USERS \
    "int g(int x) { return f(x) * 3; } int h(int x) { return f(x) ^ g(x); } int i(int x) { return x / other; }" \
    "__attribute__((section(\".init.text\"))) int boot(int x) { return f(x) - 1; }"
#define OLD "__attribute__((noinline)) static int f(int x) { return x + other; }"
#define NEW "__attribute__((noinline)) static int f(int x) { return x - other; }"
#define INLINED "inline __attribute__((always_inline)) static int f(int x) { return x - other; }"

typedef struct {
    PatchElf *old_elf, *new_elf, *code_elf;
    PatchPairing *pairing;
    PatchCarry carry;
} Case;

static void
case_clear(Case *one)
{
    g_ptr_array_unref(one->carry.findings);
    g_hash_table_unref(one->carry.replaced);
    patch_pairing_free(one->pairing);
    patch_elf_free(one->code_elf);
    patch_elf_free(one->new_elf);
    patch_elf_free(one->old_elf);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Case, case_clear)

/* f has changed; its new code is taken from CODE. */
static void
expand(Case *one, const char *old_source, const char *new_source, const char *code)
{
    g_autofree char *folder = g_dir_make_tmp("carry-XXXXXX", NULL);

    one->old_elf = diff_case_compile(folder, "gcc", "old", old_source);
    one->new_elf = diff_case_compile(folder, "gcc", "new", new_source);
    one->code_elf = diff_case_compile(folder, "gcc", "code", code);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    one->pairing = patch_pairing_new(one->old_elf, one->new_elf);
    one->carry = (PatchCarry) {
        .pairing = one->pairing, .code = one->code_elf, .clones = TRUE, .findings = patch_findings_new(),
        .is_module = one->carry.is_module, .replaced = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
    };
    g_hash_table_insert(one->carry.replaced, g_strdup("f"), g_strdup(""));
    patch_carry_expand(&one->carry);
}

static char *
replaced(const Case *one)
{
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(one->carry.replaced), (GCompareFunc) strcmp);
    GString *text = g_string_new(NULL);

    for (const GList *name = names; name; name = name->next)
        g_string_append_printf(text, "%s%s", text->len ? " " : "", (const char *) name->data);
    return g_string_free(text, FALSE);
}

static void
test_by_itself(void)
{
    g_auto(Case) one = { 0 };
    g_autofree char *names = NULL;

    expand(&one, COMMON OLD USERS, COMMON NEW USERS, COMMON NEW USERS);
    names = replaced(&one);
    g_assert_cmpstr(names, ==, "f");
    g_assert_false(patch_carry_is_carried(&one.carry, "f"));
}

/* Its new code is within that of its callers, but for those that ran at boot. */
static void
test_inlined(void)
{
    g_auto(Case) one = { 0 };
    g_autofree char *names = NULL;

    expand(&one, COMMON OLD USERS, COMMON NEW USERS, COMMON INLINED USERS);
    names = replaced(&one);
    g_assert_cmpstr(names, ==, "f g h");
    g_assert_true(patch_carry_is_carried(&one.carry, "f"));
    g_assert_false(patch_carry_is_carried(&one.carry, "g"));
    g_assert_cmpuint(one.carry.findings->len, ==, 0);
}

/* Whoever has a pointer to the old one would go on to call that: a function in which it is given away, by register or stack. */
static void
test_pointer(gconstpointer keeper)
{
    g_auto(Case) one = { 0 };
    g_autofree char *old_source = g_strconcat(COMMON OLD USERS, keeper, NULL);

    expand(&one, old_source, COMMON NEW USERS, COMMON INLINED USERS);
    g_assert_cmpuint(one.carry.findings->len, ==, 1);
    g_assert_cmpstr(((PatchFinding *) one.carry.findings->pdata[0])->name, ==, "f");
}

/* What runs when a module is unloaded is there until then; of the kernel itself it never was. */
static void
test_exit_code(gconstpointer is_module)
{
    const char *user = "__attribute__((section(\".exit.text\"))) int leave(int x) { return f(x) + 7; }";
    g_auto(Case) one = { .carry.is_module = GPOINTER_TO_INT(is_module) };
    g_autofree char *old_source = g_strconcat(COMMON OLD USERS, user, NULL);
    g_autofree char *new_source = g_strconcat(COMMON NEW USERS, user, NULL);
    g_autofree char *code = g_strconcat(COMMON INLINED USERS, user, NULL), *names = NULL;

    expand(&one, old_source, new_source, code);
    names = replaced(&one);
    g_assert_cmpstr(names, ==, is_module ? "f g h leave" : "f g h");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/carry/by-itself", test_by_itself);
    g_test_add_func("/carry/inlined", test_inlined);
    g_test_add_data_func("/carry/pointer", "void k(void) { keep(f); }", test_pointer);
    g_test_add_data_func("/carry/pointer-on-the-stack",
                         "void keep7(int, int, int, int, int, int, int (*)(int)); void k(void) { keep7(1, 2, 3, 4, 5, 6, f); }",
                         test_pointer);
    g_test_add_data_func("/carry/exit-code/kernel", GINT_TO_POINTER(FALSE), test_exit_code);
    g_test_add_data_func("/carry/exit-code/module", GINT_TO_POINTER(TRUE), test_exit_code);
    return g_test_run();
}
