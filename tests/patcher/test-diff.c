/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pairs of small C sources, compiled as the kernel is and compared.
 */
#include "config.h"

#include <glib/gstdio.h>

#include "patcher/diff.h"
#include "patcher/error.h"
#include "patcher/linemarks.h"
#include "patcher/merge.h"
#include "patcher/run.h"

static char *folder;

/* NULL with the error, if what the compiler made is not taken. */
static PatchElf *
try_compile(const char *name, const char *source, GError **error)
{
    g_autofree char *c_file = g_strdup_printf("%s/%s.c", folder, name);
    g_autofree char *object = g_strdup_printf("%s/%s.o", folder, name);
    const char *argv[] = {
        "gcc", "-O2", "-ffunction-sections", "-fdata-sections", "-mcmodel=kernel", "-fno-pie", "-mno-red-zone",
        "-ffreestanding", "-fno-asynchronous-unwind-tables", "-fcf-protection=none", "-c", "-o", object, c_file, NULL,
    };
    PatchElf *elf;

    g_assert_true(g_file_set_contents(c_file, source, -1, NULL));
    g_assert_true(patch_run(NULL, argv, NULL, NULL));
    elf = patch_elf_read(object, error);
    g_unlink(c_file);
    g_unlink(object);
    return elf;
}

static PatchElf *
compile(const char *name, const char *source)
{
    g_autoptr(GError) error = NULL;
    PatchElf *elf = try_compile(name, source, &error);

    g_assert_no_error(error);
    return elf;
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The functions that differ, in alphabetical order, with a space behind each. */
static char *
names_of(const PatchDiff *diff)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < diff->changed->len; i++)
        g_ptr_array_add(names, patch_elf_item(diff->pairing->new_elf, g_array_index(diff->changed, guint32, i))->name);
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++)
        g_string_append_printf(text, "%s ", (const char *) names->pdata[i]);
    return g_string_free(text, FALSE);
}

/* The same of two sources; or "refused: ...". */
static char *
changes(const char *old_source, const char *new_source)
{
    g_autoptr(PatchElf) old_elf = compile("old", old_source);
    g_autoptr(PatchElf) new_elf = compile("new", new_source);
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchDiff) diff = patch_diff_new(old_elf, new_elf, &error);
    GString *text = g_string_new(NULL);

    g_assert_no_error(error);
    for (guint i = 0; i < diff->findings->len; i++)
        g_string_append_printf(text, "refused: %s", ((const PatchFinding *) diff->findings->pdata[i])->text);
    if (text->len)
        return g_string_free(text, FALSE);
    g_string_free(text, TRUE);
    return names_of(diff);
}

static void
assert_changes(const char *old_source, const char *new_source, const char *expected)
{
    g_autofree char *found = changes(old_source, new_source);

    g_assert_cmpstr(found, ==, expected);
}

static void
assert_refused(const char *old_source, const char *new_source, const char *part)
{
    g_autofree char *found = changes(old_source, new_source);

    g_assert_true(g_str_has_prefix(found, "refused: "));
    g_assert_nonnull(strstr(found, part));
}

#define COMMON "int print(const char *, ...); void use(void *); extern int other;\n"

static void
test_nothing(void)
{
    assert_changes(COMMON "int f(int x) { return print(\"a %d\", x); }",
                   COMMON "\n\n/* moved */ int f(int y) { return print(\"a %d\", y); }", "");
}

static void
test_string(void)
{
    assert_changes(COMMON "int f(int x) { return print(\"a %d\", x); } int g(void) { return print(\"b\"); }",
                   COMMON "int f(int x) { return print(\"A %d\", x); } int g(void) { return print(\"b\"); }", "f ");
}

static void
test_call(void)
{
    assert_changes(COMMON "int a(int); int b(int); int f(int x) { return a(x) + 1; }",
                   COMMON "int a(int); int b(int); int f(int x) { return b(x) + 1; }", "f ");
}

static void
test_new_static_function(void)
{
    assert_changes(COMMON "int f(int x) { return other + x; } int g(int x) { return other - x; }",
                   COMMON "static __attribute__((noinline)) int h(int x) { other++; return x; }\n"
                   "int f(int x) { return other + h(x); } int g(int x) { return other - x; }", "f ");
}

static void
test_inlined(void)
{
    const char *format = COMMON "static inline int h(int x) { return x %s 3; }\n"
        "int f(int x) { return other + h(x); } int g(int x) { return other - h(x); } int k(int x) { return x; }";
    g_autofree char *old_source = g_strdup_printf(format, "*"), *new_source = g_strdup_printf(format, "^");

    assert_changes(old_source, new_source, "f g ");
}

/* One more static variable before the others renumbers them, and changes nothing else. */
static void
test_renumbered_static(void)
{
    const char *format = COMMON "int f(void) { %s return other; }\n"
        "int g(void) { static int count; return ++count; } int h(void) { static int count; return count -= 2; }";
    g_autofree char *old_source = g_strdup_printf(format, "");
    g_autofree char *new_source = g_strdup_printf(format, "{ static int count; use(&count); }");

    assert_changes(old_source, new_source, "f ");
}

/* The two variables of one name are not mixed up: who uses them decides. */
static void
test_paired_statics(void)
{
    g_autoptr(PatchElf) old_elf = compile("old", "int g(void) { static int n; return ++n; }"
                                          "int h(void) { static int n; return n -= 2; }");
    g_autoptr(PatchElf) new_elf = compile("new", "int f(void) { static int n; return n ^= 1; }"
                                          "int h(void) { static int n; return n -= 2; }"
                                          "int g(void) { static int n; return ++n; }");
    g_autoptr(PatchPairing) pairing = patch_pairing_new(old_elf, new_elf);
    guint n_paired = 0, n_new = 0;

    for (guint32 i = 0; i < new_elf->items->len; i++) {
        const PatchElfItem *item = patch_elf_item(new_elf, i);

        if (item->symbol < 0 || !g_str_has_prefix(item->name, "n."))
            continue;
        n_paired += pairing->old_of_new[i] >= 0;
        n_new += pairing->old_of_new[i] < 0;
    }
    g_assert_cmpuint(n_paired, ==, 2);
    g_assert_cmpuint(n_new, ==, 1);
}

static void
test_data(void)
{
    assert_refused("int limit = 3; int f(void) { return limit; }", "int limit = 4; int f(void) { return limit; }",
                   "initial value of limit");
    assert_refused("int table[4] = { 1 }; int f(int i) { return table[i]; }",
                   "int table[5] = { 1 }; int f(int i) { return table[i]; }", "size of table");
    assert_changes("int a(void); int b(void); int (*const ops[])(void) = { a };",
                   "int a(void); int b(void); int (*const ops[])(void) = { b };", "");
}

/* Constants that only functions of the file use: those functions take the new ones along. */
static void
test_private_constants(void)
{
    const char *format = "static const int table[] = { 3, 1, 4, 1, %s, 9, 2, 6 };\n"
        "int f(int i) { return table[i]; } int g(int i) { return i; }";
    g_autofree char *old_source = g_strdup_printf(format, "5"), *new_source = g_strdup_printf(format, "6");

    assert_changes(old_source, new_source, "f ");
}

/* Three lines for one: take(40 + 2) and g's line grow by the same. Each #line in the patched source is one that the
 * compiler must not mistake: within arguments, in a comment, in a definition. */
static const char moving_patch[] = "--- a/x.c\n+++ b/x.c\n@@ -1 +1,3 @@\n-int f(int x) { return x; }\n"
    "+int f(int x) {\n+return x + 1;\n+}\n";
static const char moving_source[] = "int f(int x) { return x; }\n"
    "/* a comment\n over lines */ int report(int), take(int);\n"
    "#define TWICE(x) (report(x) + \\\n report(x))\n"
    "int g(void) { return TWICE(\n__LINE__); }\n"
    "int h(void) { return take(40); }\n"
    "int k(void) { return report(__LINE__); }\n";

static void
test_lines(void)
{
    g_autoptr(PatchFiles) files = patch_files_parse(moving_patch, NULL);
    PatchFile *file = files->files->pdata[0];
    g_autofree char *patched = patch_file_apply(file, moving_source, NULL);
    g_auto(GStrv) parts = g_strsplit(patched, "take(40)", 2);
    g_autofree char *new_source = g_strjoinv("take(42)", parts), *marked = patch_line_marks_add(file, new_source);
    g_autoptr(PatchElf) old_elf = compile("old", moving_source), new_elf = compile("new", new_source);
    g_autoptr(PatchElf) lines_elf = compile("new", marked);
    g_autoptr(PatchDiff) diff = patch_diff_new(old_elf, new_elf, NULL), lines = patch_diff_new(old_elf, lines_elf, NULL);
    g_autofree char *before = names_of(diff), *after = NULL;

    patch_diff_forget_lines(diff, lines);
    after = names_of(diff);
    g_assert_cmpstr(before, ==, "f g h k ");
    g_assert_cmpstr(after, ==, "f h ");
}

/* No mark stands within a definition or within arguments. */
static void
test_line_marks(void)
{
    g_autoptr(PatchFiles) files = patch_files_parse(
        "--- a/x.c\n+++ b/x.c\n@@ -1,5 +1,8 @@\n-#define A(x) one(x) \\\n+#define A(x) one( \\\n+x) \\\n two(x)\n-int f = A(g,\n"
        "+int f = A(\n+j,\n+g,\n h);\n int k;\n", NULL);
    PatchFile *file = files->files->pdata[0];
    g_autofree char *patched = patch_file_apply(file, "#define A(x) one(x) \\\ntwo(x)\nint f = A(g,\nh);\nint k;\n", NULL);
    g_autofree char *marked = patch_line_marks_add(file, patched);

    g_assert_cmpstr(marked, ==, "#define A(x) one( \\\nx) \\\ntwo(x)\nint f = A(\nj,\ng,\nh);\n\n#line 5\nint k;\n");
}

static void
test_moved(void)
{
    g_autoptr(GPtrArray) old_elfs = g_ptr_array_new_with_free_func((GDestroyNotify) patch_elf_free);
    g_autoptr(GPtrArray) new_elfs = g_ptr_array_new_with_free_func((GDestroyNotify) patch_elf_free);
    guint from = 9, to = 9;

    g_ptr_array_add(old_elfs, compile("a", "int f(void) { return 1; } static int s; int *g(void) { return &s; }"));
    g_ptr_array_add(old_elfs, compile("b", "int h(void) { return 1; }"));
    g_ptr_array_add(new_elfs, compile("a", "int *g(void) { return 0; }"));
    g_ptr_array_add(new_elfs, compile("b", "int h(void) { return 1; } static int s; int *k(void) { return &s; }"));
    g_assert_null(patch_merge_moved(old_elfs, new_elfs, &from, &to));
    g_ptr_array_add(old_elfs, NULL);
    g_ptr_array_add(new_elfs, compile("c", "int f(void) { return 2; }"));
    g_assert_cmpstr(patch_merge_moved(old_elfs, new_elfs, &from, &to), ==, "f");
    g_assert_cmpuint(from, ==, 0);
    g_assert_cmpuint(to, ==, 2);
}

/* Each module has functions of its own of one name, as init_module. */
static void
test_not_moved(void)
{
    g_autoptr(GPtrArray) elfs = g_ptr_array_new_with_free_func((GDestroyNotify) patch_elf_free);
    guint from, to;

    g_ptr_array_add(elfs, compile("a", "int f(void) { return 1; }"));
    g_ptr_array_add(elfs, compile("b", "int f(void) { return 2; }"));
    g_assert_null(patch_merge_moved(elfs, elfs, &from, &to));
}

static void
test_boot(void)
{
    const char *format = "__attribute__((section(\".init.text\"))) int f(int x) { return x + %d; }";
    g_autofree char *old_source = g_strdup_printf(format, 1), *new_source = g_strdup_printf(format, 2);

    assert_changes(old_source, new_source, "");
    assert_refused("int x;", "int x; __attribute__((section(\"__param\"), used)) static int entry = 3;", "__param");
}

static void
test_no_object(void)
{
    g_autofree char *path = g_build_filename(folder, "text.o", NULL);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, "not an object", -1, NULL);
    g_assert_null(patch_elf_read(path, &error));
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_FAILED);
    g_unlink(path);
}

/* Tables of the kernel's whose entries cannot be told apart. */
static void
test_unknown_layout(gconstpointer table)
{
    g_autofree char *source = g_strconcat("void f(void) { asm volatile(\"1: nop\\n2: nop\\n.pushsection ", table, "\\n.popsection\"); }",
                                          NULL);
    g_autoptr(PatchElf) elf = compile("old", source);
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchDiff) diff = patch_diff_new(elf, elf, &error);

    g_assert_null(diff);
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "has a layout that is not known"));
}

/* A few bytes of a file can claim any amount of zeros. */
static void
test_endless_zeros(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(try_compile("zeros", "char zeros[1u << 30];", &error));
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "too large"));
}

int
main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("diff-XXXXXX", NULL);
    g_test_add_func("/diff/endless-zeros", test_endless_zeros);
    g_test_add_func("/diff/nothing", test_nothing);
    g_test_add_func("/diff/string", test_string);
    g_test_add_func("/diff/call", test_call);
    g_test_add_func("/diff/new-static-function", test_new_static_function);
    g_test_add_func("/diff/inlined", test_inlined);
    g_test_add_func("/diff/renumbered-static", test_renumbered_static);
    g_test_add_func("/diff/paired-statics", test_paired_statics);
    g_test_add_func("/diff/data", test_data);
    g_test_add_func("/diff/private-constants", test_private_constants);
    g_test_add_func("/diff/lines", test_lines);
    g_test_add_func("/diff/line-marks", test_line_marks);
    g_test_add_func("/diff/moved", test_moved);
    g_test_add_func("/diff/one-name-in-two-modules", test_not_moved);
    g_test_add_func("/diff/boot", test_boot);
    g_test_add_func("/diff/no-object", test_no_object);
    g_test_add_data_func("/diff/unknown-layout/no-reference", "__bug_table,\\\"aw\\\"\\n.long 5, 0, 0", test_unknown_layout);
    g_test_add_data_func("/diff/unknown-layout/unlike-entries", "__bug_table,\\\"aw\\\"\\n.long 1b - ., 0, 0, 2b - ., 0, 0, 0, 0",
                         test_unknown_layout);
    g_test_add_data_func("/diff/unknown-layout/half-an-entry", "__jump_table,\\\"aw\\\"\\n.long 1b - ., 2b - .\\n.quad 0\\n"
                         ".long 1b - ., 0\\n.quad 0", test_unknown_layout);
    status = g_test_run();
    g_rmdir(folder);
    g_free(folder);
    return status;
}
