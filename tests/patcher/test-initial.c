/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which bytes of existing data get their new value where they are, and of which of them it is doubted that they may.
 */
#include "config.h"

#include <glib/gstdio.h>

#include "patcher/initial.h"
#include "tests/patcher/diff-cases.h"

#define COMMON "void use(const void *); extern int other, another; int a(void); int b(void) { return other; }\n" \
    "#define in(name) __attribute__((section(name)))\n#define PACKED __attribute__((packed))\n"

typedef struct {
    const char *name;
    const char *old_source, *new_source;
    const char *expected;       /* of each datum its name, what of it is written (offset+length), and what is said of it */
} Case;

static const Case cases[] = {
    { "number",
      "static int n = 0x101; int f(void) { return n++; }", "static int n = 0x102; int f(void) { return n++; }", "n 0+4" },
    { "long-number",
      "static long n = 0x101; long f(void) { return n++; }", "static long n = 0x102; long f(void) { return n++; }",
      "n 0+8" },
    { "member", "static struct { int a, b, c, d; } t = { 1, 0x101, 1 }; void f(void) { use(&t); }",
      "static struct { int a, b, c, d; } t = { 1, 0x102, 1 }; void f(void) { use(&t); }", "t 4+4" },
    { "first-and-last-member", "static struct { int a, b, c; } t = { 1, 2, 3 }; void f(void) { use(&t); }",
      "static struct { int a, b, c; } t = { 2, 2, 2 }; void f(void) { use(&t); }", "t 0+4 8+4" },
    { "few-bytes",
      "static char s[3] = \"abc\"; void f(void) { use(s); }", "static char s[3] = \"abd\"; void f(void) { use(s); }",
      "s 0+3" },
    { "uneven-bytes", "static char s[9] = \"abcdefghi\"; void f(void) { use(s); }",
      "static char s[9] = \"abDdefghi\"; void f(void) { use(s); }", "s 2+1" },
    { "beside-a-pointer", "static struct { short n; int *p; short m; } PACKED t = { 0x101, &other }; void f(void) { use(&t); }",
      "static struct { short n; int *p; short m; } PACKED t = { 0x102, &other }; void f(void) { use(&t); }", "t 0+1" },
    { "pointer-comes", "static struct { short n; int *p; short m; } PACKED t = { 0x101, 0 }; void f(void) { use(&t); }",
      "static struct { short n; int *p; short m; } PACKED t = { 0x101, &other }; void f(void) { use(&t); }", "t 2+8" },
    { "pointer-goes", "static struct { short n; int *p; short m; } PACKED t = { 0x101, &other }; void f(void) { use(&t); }",
      "static struct { short n; int *p; short m; } PACKED t = { 0x101, 0 }; void f(void) { use(&t); }", "t 2+8" },
    { "pointer", "static struct { long n; int *p; } t = { 1, &other }; void f(void) { use(&t); }",
      "static struct { long n; int *p; } t = { 1, &another }; void f(void) { use(&t); }", "t 8+8" },
    { "pointer-within", "extern char text[]; static struct { long n; char *p; } t = { 1, text }; void f(void) { use(&t); }",
      "extern char text[]; static struct { long n; char *p; } t = { 1, text + 1 }; void f(void) { use(&t); }", "t 8+8" },
    { "another-in-its-section", "in(\".data.x\") static int n = 1; in(\".data.x\") static int *p = &other;"
      "int f(void) { use(&p); return n++; }",
      "in(\".data.x\") static int n = 2; in(\".data.x\") static int *p = &other; int f(void) { use(&p); return n++; }",
      "n 0+4" },
    { "functions", "static struct { long n; int (*f)(void); } t = { 1, a }; void f(void) { use(&t); }",
      "static struct { long n; int (*f)(void); } t = { 1, b }; void f(void) { use(&t); }", "t 8+8 exchange" },
    { "functions-and-a-number", "static struct { long n; int (*f)(void); } t = { 1, a }; void f(void) { use(&t); }",
      "static struct { long n; int (*f)(void); } t = { 2, b }; void f(void) { use(&t); }", "t 0+4 8+8" },
    { "seen-by-others", "int n = 1; int f(void) { return n++; }", "int n = 2; int f(void) { return n++; }", "n 0+4 doubt" },
    { "seen-at-boot", "static int n = 1; in(\".init.text\") int f(void) { return n++; }",
      "static int n = 2; in(\".init.text\") int f(void) { return n++; }", "n 0+4 doubt" },
    { "beside-what-is-seen-at-boot",
      "static int n = 1, m; in(\".init.text\") int f(void) { return m++; } int g(void) { return n++; }",
      "static int n = 2, m; in(\".init.text\") int f(void) { return m++; } int g(void) { return n++; }", "n 0+4" },
    { "large", "static int n[20000] = { 1 }; void f(void) { use(n); }", "static int n[20000] = { 2 }; void f(void) { use(n); }",
      "n 0+4 doubt" },
    { "constants-of-boot-code",
      "static const int n[3] = { 1, 2, 3 }; int f(unsigned i) { return n[i]; } in(\".init.text\") void g(void) { use(n); }",
      "static const int n[3] = { 1, 2, 4 }; int f(unsigned i) { return n[i]; } in(\".init.text\") void g(void) { use(n); }",
      "n 8+4" },
    { "constants-of-code", "static const int n[3] = { 1, 2, 3 }; int f(unsigned i) { return n[i]; }",
      "static const int n[3] = { 1, 2, 4 }; int f(unsigned i) { return n[i]; }", "" },
    { "constants-of-other-files", "const int n[3] = { 1, 2, 3 }; int f(unsigned i) { return n[i]; }",
      "const int n[3] = { 1, 2, 4 }; int f(unsigned i) { return n[i]; }", "n 8+4" },
    { "constants-that-data-lead-to", "static const int n[3] = { 1, 2, 3 }; const int *p = n;",
      "static const int n[3] = { 1, 2, 4 }; const int *p = n;", "n 8+4" },
    { "callbacks", "static int (*const t[])(void) = { a }; void f(void) { use(t); }",
      "static int (*const t[])(void) = { b }; void f(void) { use(t); }", "t 0+8" },
    { "callbacks-of-other-files", "int c(void); static int (*const t[])(void) = { a }; void f(void) { use(t); }",
      "int c(void); static int (*const t[])(void) = { c }; void f(void) { use(t); }", "t 0+8" },
    { "callbacks-come", "static int (*const t[1])(void) = { 0 }; void f(void) { use(t); }",
      "static int (*const t[1])(void) = { b }; void f(void) { use(t); }", "t 0+8" },
    { "callbacks-go", "static int (*const t[1])(void) = { b }; void f(void) { use(t); }",
      "static int (*const t[1])(void) = { 0 }; void f(void) { use(t); }", "t 0+8" },
    { "larger", "static int n[2] = { 1 }; void f(void) { use(n); }", "static int n[3] = { 2 }; void f(void) { use(n); }", "" },
    { "per-cpu", "in(\".data..percpu\") static int n = 1; void f(void) { use(&n); }",
      "in(\".data..percpu\") static int n = 2; void f(void) { use(&n); }", "" },
    { "zeros-become-functions", "static struct { long n; int (*f)(void); } t; void f(void) { use(&t); }",
      "static struct { long n; int (*f)(void); } t = { 0, b }; void f(void) { use(&t); }", "t 8+8 exchange" },
    { "function-becomes-a-number", "static struct { long n, f; } t = { 1, (long) b }; void f(void) { use(&t); }",
      "static struct { long n, f; } t = { 1, 5 }; void f(void) { use(&t); }", "t 8+8" },
    { "pointer-to-a-variable-of-the-file",
      "int x = 1, y = 1; static struct { long n; int *p; } t = { 1, &x }; void f(void) { use(&t); }",
      "int x = 1, y = 1; static struct { long n; int *p; } t = { 1, &y }; void f(void) { use(&t); }", "t 8+8" },
    { "no-longer-seen-at-boot",
      "static int n = 1; int f(void) { return n++; } in(\".init.text\") int g(void) { use(&n); return 1; }",
      "static int n = 2; int f(void) { return n++; } in(\".init.text\") int g(void) { return 1; }", "n 0+4 doubt" },
    { "seen-at-boot-now", "static int n = 1; int f(void) { return n++; } in(\".init.text\") int g(void) { return 1; }",
      "static int n = 2; int f(void) { return n++; } in(\".init.text\") int g(void) { use(&n); return 1; }", "n 0+4 doubt" },
    { "of-an-unknown-section", "in(\"special\") static int n = 1; void f(void) { use(&n); }",
      "in(\"special\") static int n = 2; void f(void) { use(&n); }", "" },
    { "becomes-per-cpu", "static int n = 1; void f(void) { use(&n); }",
      "in(\".data..percpu\") static int n = 2; void f(void) { use(&n); }", "" },
    { "per-cpu-no-more", "in(\".data..percpu\") static int n = 1; void f(void) { use(&n); }",
      "static int n = 2; void f(void) { use(&n); }", "" },
    { "constant-no-more", "const int n = 1; void f(void) { use(&n); }", "int n = 2; void f(void) { use(&n); }", "" },
    { "short-pointer-comes", "asm(\".pushsection .rodata.t, \\\"a\\\"; .type t, @object; .size t, 4; t: .long 5; .popsection\");",
      "asm(\".pushsection .rodata.t, \\\"a\\\"; .type t, @object; .size t, 4; t: .long another; .popsection\");", "" },
    { "short-pointer-goes",
      "asm(\".pushsection .rodata.t, \\\"a\\\"; .type t, @object; .size t, 4; t: .long other; .popsection\");",
      "asm(\".pushsection .rodata.t, \\\"a\\\"; .type t, @object; .size t, 4; t: .long 5; .popsection\");", "" },
    { "short-pointer", "asm(\".pushsection .rodata.t, \\\"a\\\"; .type t, @object; .size t, 4; t: .long other; .popsection\");",
      "asm(\".pushsection .rodata.t, \\\"a\\\"; .type t, @object; .size t, 4; t: .long another; .popsection\");", "" },
};

static char *
describe(PatchDiff *diff)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < diff->initials->len; i++) {
        const PatchInitial *initial = &g_array_index(diff->initials, PatchInitial, i);
        g_autoptr(GArray) stretches = patch_initial_stretches(diff, initial->old_item, initial->new_item);

        g_string_append_printf(text, "%s%s", text->len ? ", " : "",
                               patch_elf_item(diff->pairing->new_elf, initial->new_item)->name);
        for (guint s = 0; s < stretches->len; s++) {
            const PatchStretch *stretch = &g_array_index(stretches, PatchStretch, s);

            g_string_append_printf(text, " %" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT, (guint64) stretch->offset,
                                   (guint64) stretch->length);
        }
        g_string_append_printf(text, "%s%s", initial->is_exchange ? " exchange" : "", initial->doubt ? " doubt" : "");
    }
    return g_string_free(text, FALSE);
}

static void
test_case(gconstpointer data)
{
    const Case *one = data;
    g_autofree char *folder = g_dir_make_tmp("initial-XXXXXX", NULL);
    g_autofree char *old_source = g_strconcat(COMMON, one->old_source, NULL);
    g_autofree char *new_source = g_strconcat(COMMON, one->new_source, NULL);
    g_autoptr(PatchElf) old_elf = diff_case_compile(folder, "gcc", "old", old_source);
    g_autoptr(PatchElf) new_elf = diff_case_compile(folder, "gcc", "new", new_source);
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchDiff) diff = patch_diff_new(old_elf, new_elf, &error);
    g_autofree char *found = NULL;

    g_assert_no_error(error);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    found = describe(diff);
    g_assert_cmpstr(found, ==, one->expected);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/initial/", cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    return g_test_run();
}
