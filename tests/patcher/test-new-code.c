/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * New code refers to what is new, and to what the running kernel has, each where it has to.
 */
#include "config.h"

#include <glib/gstdio.h>

#include "patcher/new-code.h"
#include "tests/patcher/diff-cases.h"

/* With one way of making a switch, a table of addresses inside of the function; the instructions in it are as long as N is. */
#define SWITCH(n)                                                                                                    \
    "int a(void); int b(void); int c(void); int d(void); int e(void);\n"                                            \
    "int f(int x) { int y = 0; switch (x) { case 0: y = a(); break; case 1: y = b(); break; case 2: y = c(); break;" \
    "case 3: y = d(); break; case 4: y = e(); break; case 5: y = a() + b(); break; } return y ^ " n "; }\n"

typedef struct {
    PatchElf *old_elf, *new_elf;
    PatchDiff *diff;
    GHashTable *replaced;
    PatchObject *object;
} Case;

static void
case_clear(Case *one)
{
    patch_object_free(one->object);
    g_hash_table_unref(one->replaced);
    patch_diff_free(one->diff);
    patch_elf_free(one->new_elf);
    patch_elf_free(one->old_elf);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Case, case_clear)

/* The object that replaces f. */
static void
compose(Case *one, const char *old_source, const char *new_source)
{
    g_autofree char *folder = g_dir_make_tmp("new-code-XXXXXX", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchOldCode) old = NULL;
    g_autoptr(PatchNewCode) code = NULL;
    guint32 index;

    one->old_elf = diff_case_compile(folder, "gcc", "old", old_source);
    one->new_elf = diff_case_compile(folder, "gcc", "new", new_source);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    one->diff = patch_diff_new(one->old_elf, one->new_elf, &error);
    g_assert_no_error(error);
    one->replaced = g_hash_table_new(g_str_hash, g_str_equal);
    g_hash_table_add(one->replaced, (gpointer) "f");
    one->object = patch_object_new();
    old = patch_old_code_new(one->object, one->old_elf, &error);
    g_assert_no_error(error);
    code = patch_new_code_new(one->object, one->diff, old, one->replaced, NULL);
    g_assert_true(patch_new_code_add(code, patch_elf_find_item(one->new_elf, "f"), &index, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(index, ==, 0);
}

/* A table of f's, which leads into the piece of f and nowhere else. */
static void
check_table(const PatchObject *object)
{
    guint n_tables = 0;

    for (guint i = 0; i < object->pieces->len; i++) {
        const PatchPiece *piece = object->pieces->pdata[i];

        if (piece->kind != PATCH_PIECE_RODATA || !piece->code->fixups->len)
            continue;
        n_tables++;
        g_assert_cmpuint(piece->code->fixups->len, >=, 5);
        for (guint j = 0; j < piece->code->fixups->len; j++) {
            const PatchFixup *fixup = &g_array_index(piece->code->fixups, PatchFixup, j);

            g_assert_cmpint(fixup->target, ==, PATCH_TARGET_PIECE);
            g_assert_cmpuint(fixup->index, ==, 0);
        }
    }
    g_assert_cmpuint(n_tables, ==, 1);
}

/* Where the new function has its instructions elsewhere, and where all are at the same places as in the old one. */
static void
test_table_of_jumps(gconstpointer new_number)
{
    g_auto(Case) one = { 0 };
    g_autofree char *new_source = g_strdup_printf(SWITCH("%s"), (const char *) new_number);

    compose(&one, SWITCH("17"), new_source);
    check_table(one.object);
}

#define TABLE(third, n) \
    "static const int table[64] = { 1, 2, " third " }; int f(int x) { return table[x] + " n "; }\n"

/* What a fixup of f's new code refers to: "t", a symbol of the running kernel, or "+t", a new piece of the update. */
static char *
refers_to(const PatchObject *object, guint index)
{
    const PatchPiece *piece = object->pieces->pdata[0];
    const PatchFixup *fixup = &g_array_index(piece->code->fixups, PatchFixup, index);

    g_assert_cmpstr(piece->name, ==, "f");
    if (fixup->target == PATCH_TARGET_SYMBOL)
        return g_strdup(((const PatchSymbol *) object->symbols->pdata[fixup->index])->name);
    g_assert_cmpint(fixup->target, ==, PATCH_TARGET_PIECE);
    return g_strconcat("+", ((const PatchPiece *) object->pieces->pdata[fixup->index])->name, NULL);
}

/* The running kernel's is used as long as it is the same. */
static void
test_constants(void)
{
    g_auto(Case) same = { 0 }, changed = { 0 };
    g_autofree char *of_same = NULL, *of_changed = NULL;

    compose(&same, TABLE("3", "4"), TABLE("3", "5"));
    of_same = refers_to(same.object, 0);
    g_assert_cmpstr(of_same, ==, "table");
    g_assert_cmpuint(same.object->pieces->len, ==, 1);
    compose(&changed, TABLE("3", "4"), TABLE("7", "4"));
    of_changed = refers_to(changed.object, 0);
    g_assert_cmpstr(of_changed, ==, "+table");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/new-code/table-of-jumps/moved", "1700", test_table_of_jumps);
    g_test_add_data_func("/new-code/table-of-jumps/unmoved", "18", test_table_of_jumps);
    g_test_add_func("/new-code/constants", test_constants);
    return g_test_run();
}
