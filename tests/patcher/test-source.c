/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading patches, configs, saved commands and C sources.
 */
#include "config.h"

#include "patcher/changed-constants.h"
#include "patcher/cmacros.h"
#include "patcher/constant-use.h"
#include "patcher/constructs.h"
#include "patcher/csource.h"
#include "patcher/error.h"
#include "patcher/kconfig.h"
#include "patcher/makers.h"
#include "patcher/patchfile.h"
#include "patcher/savedcmd.h"

#define HEADER "--- a/fs/x.c\t2026-01-01\n+++ b/fs/x.c\n"
#define HUNK HEADER "@@ -2,3 +2,4 @@ int x;\n b\n-c\n+C\n+c2\n d\n"

static PatchFile *
only_file(PatchFiles *files)
{
    g_assert_nonnull(files);
    g_assert_cmpuint(files->files->len, ==, 1);
    return files->files->pdata[0];
}

static void
assert_applies(const char *patch, const char *text, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchFiles) files = patch_files_parse(patch, &error);
    g_autofree char *result = NULL;

    g_assert_no_error(error);
    result = patch_file_apply(only_file(files), text, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(result, ==, expected);
}

static void
test_apply(void)
{
    assert_applies(HUNK, "a\nb\nc\nd\ne\n", "a\nb\nC\nc2\nd\ne\n");
    assert_applies("Subject: x\n\ndiff --git a/fs/x.c b/fs/x.c\nindex 1..2 100644\n" HUNK "-- \n2.39\n",
                   "0\n0\na\nb\nc\nd\n", "0\n0\na\nb\nC\nc2\nd\n");
    assert_applies(HEADER "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b \n\\ No newline at end of file\n", "a",
                   "b ");
    assert_applies(HEADER "@@ -1,0 +2 @@\n+b\n", "a\nc\n", "a\nb\nc\n");
}

static void
test_forms(void)
{
    assert_applies("Index: linux/fs/x.c\n===\n--- linux.orig/fs/x.c\n+++ linux/fs/x.c\n@@ -1 +1 @@\n-a\n+b\n", "a\n",
                   "b\n");
    assert_applies("--- a/fs/x.c 2026-01-01 00:00:00.0 +0000\n+++ b/fs/x.c 2026-01-01\n@@ -1 +1 @@\n-a\n+b\n", "a\n",
                   "b\n");
    assert_applies("Subject: x\r\n\r\nwords\r\n---\r\n fs/x.c | 2 +-\r\n\r\n--- a/fs/x.c\r\n+++ b/fs/x.c\r\n@@ -1 +1 @@\r\n"
                   "-a\r\n+b\r\n-- \r\n2.39\r\n", "a\n", "b\n");
    assert_applies("diff --git a/fs/new.h b/fs/new.h\nnew file mode 100644\nindex 0..1\n--- /dev/null\n"
                   "+++ b/fs/new.h\n@@ -0,0 +1 @@\n+a\n", "", "a\n");
    assert_applies("diff --git a/tools/new.sh b/tools/new.sh\nnew file mode 100755\nindex 0..1\n--- /dev/null\n"
                   "+++ b/tools/new.sh\n@@ -0,0 +1 @@\n+a\n" HUNK, "a\nb\nc\nd\ne\n", "a\nb\nC\nc2\nd\ne\n");
}

static void
test_new_file_is_named(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(patch_files_parse("diff --git a/fs/y.c b/fs/y.c\nnew file mode 100644\nindex 0..1\n--- /dev/null\n"
                                    "+++ b/fs/y.c\n@@ -0,0 +1 @@\n+a\n", &error));
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT);
    g_assert_nonnull(strstr(error->message, "adds the file fs/y.c"));
}

static void
test_does_not_apply(void)
{
    g_autoptr(PatchFiles) files = patch_files_parse(HUNK, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_null(patch_file_apply(only_file(files), "a\nb\nx\nd\n", &error));
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT);
}

static void
test_lines(void)
{
    g_autoptr(PatchFiles) files = patch_files_parse(HUNK, NULL);
    PatchFile *file = only_file(files);
    g_autofree char *result = patch_file_apply(file, "0\na\nb\nc\nd\ne\n", NULL);

    g_assert_cmpstr(result, ==, "0\na\nb\nC\nc2\nd\ne\n");
    g_assert_cmpuint(patch_file_old_line(file, 3), ==, 3);
    g_assert_cmpuint(patch_file_old_line(file, 4), ==, 0);
    g_assert_cmpuint(patch_file_old_line(file, 5), ==, 0);
    g_assert_cmpuint(patch_file_old_line(file, 6), ==, 5);
    g_assert_true(patch_file_touches(file, 4, 4));
    g_assert_true(patch_file_touches(file, 5, 9));
    g_assert_false(patch_file_touches(file, 1, 3));
    g_assert_false(patch_file_touches(file, 6, 7));
}

static void
test_refused_patches(void)
{
    static const char *const patches[] = {
        "", "no patch\n", HEADER, HEADER "@@ -2,3 +2,4 @@\n b\n", HEADER "@@ -x +1 @@\n+a\n",
        HEADER "@@ -1,1 +1,1 @@\n-a\n-b\n+c\n", HUNK HUNK,
        "--- /dev/null\n+++ b/fs/x.c\n@@ -0,0 +1 @@\n+a\n", "--- a/fs/x.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n",
        "--- a/../x.c\n+++ b/../x.c\n@@ -1 +1 @@\n-a\n+b\n", "--- /etc/passwd\n+++ /etc/passwd\n@@ -1 +1 @@\n-a\n+b\n",
        "--- a/fs/./x.c\n+++ b/fs/./x.c\n@@ -1 +1 @@\n-a\n+b\n", "--- a//x.c\n+++ b//x.c\n@@ -1 +1 @@\n-a\n+b\n",
        "--- x.c\n+++ x.c\n@@ -1 +1 @@\n-a\n+b\n", "--- a/x.c\n+++ b/y.c\n@@ -1 +1 @@\n-a\n+b\n",
        "diff --git a/x b/y\nrename from x\nrename to y\n" HUNK, "GIT binary patch\n" HUNK,
        "--- a/tools/x.c\n+++ b/tools/x.c\n@@ -1 +1 @@\n-a\n+b\n",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(patches); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(PatchFiles) files = patch_files_parse(patches[i], &error);

        g_test_message("patch %zu", i);
        g_assert_null(files);
        g_assert_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT);
    }
}

static void
test_kconfig(void)
{
    g_autofree char *text = patch_kconfig_get("CONFIG_A=y\nCONFIG_B=\"x y\"\n# CONFIG_C is not set\n", "CONFIG_B");
    g_autofree char *none = patch_kconfig_get("CONFIG_A=y\n# CONFIG_C is not set\n", "CONFIG_C");
    g_autofree char *prepared = patch_kconfig_prepare("CONFIG_A=y\n");
    g_autofree char *kept = patch_kconfig_prepare("CONFIG_GCC_PLUGINS=y\n");
    g_autoptr(GError) error = NULL;

    g_assert_cmpstr(text, ==, "x y");
    g_assert_null(none);
    g_assert_nonnull(strstr(prepared, "# CONFIG_GCC_PLUGINS is not set"));
    g_assert_cmpstr(kept, ==, "CONFIG_GCC_PLUGINS=y\n");
    g_assert_true(patch_kconfig_check("CONFIG_A=y\nCONFIG_CC_VERSION_TEXT=\"1\"\n# CONFIG_X is not set\n",
                                      "CONFIG_A=y\nCONFIG_NEW=y\nCONFIG_CC_VERSION_TEXT=\"2\"\n", &error));
    g_assert_no_error(error);
    g_assert_true(patch_kconfig_check("CONFIG_OPENSSL_SUPPORTS_ML_DSA=y\nCONFIG_RUST=y\n", "CONFIG_A=y\n", &error));
    g_assert_false(patch_kconfig_check("CONFIG_DEBUG_INFO_BTF=y\n", "# CONFIG_DEBUG_INFO_BTF is not set\n", &error));
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "CONFIG_DEBUG_INFO_BTF"));
    g_assert_nonnull(strstr(error->message, "pahole"));
}

#define SAVED "savedcmd_fs/x.o := gcc -Wp,-MMD,fs/.x.o.d -I/src/include -I/srcs/include -DNAME='\"a;b\"' " \
    "-DP=$(pound) -c -o fs/x.o /src/fs/x.c   ; ./tools/objtool/objtool --orc fs/x.o\n\nsource_fs/x.o := /src/fs/x.c\n"

static void
test_saved_commands(void)
{
    static const char *const options[] = { "-g0", NULL };
    PatchCmdChange change = {
        .output = "/out/x.o", .options = options, .include = "/own", .source = "/src", .overlay = "/over",
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchSavedCmd) saved = patch_saved_cmd_parse(SAVED, &error);
    g_auto(GStrv) compiler = NULL, objtool = NULL;
    g_autofree char *first = NULL, *second = NULL, *module = NULL;

    g_assert_no_error(error);
    g_assert_cmpuint(saved->commands->len, ==, 2);
    compiler = patch_saved_cmd_argv(saved, 0, &change);
    objtool = patch_saved_cmd_argv(saved, 1, &change);
    first = g_strjoinv("|", compiler);
    second = g_strjoinv("|", objtool);
    g_assert_cmpstr(first, ==, "gcc|-I/own|-Wp,-MMD,/out/x.o.d|-I/over/include|-I/srcs/include|-DNAME=\"a;b\"|"
                    "-DP=#|-g0|-c|-o|/out/x.o|/over/fs/x.c");
    g_assert_cmpstr(second, ==, "./tools/objtool/objtool|--orc|/out/x.o");
    module = patch_saved_cmd_module(saved, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(module, ==, "");
}

static void
test_module_of_command(void)
{
    static const struct {
        const char *command, *module;
        int code;
    } commands[] = {
        { "gcc -DMODULE -DKBUILD_BASENAME='\"core\"' -DKBUILD_MODNAME='\"nft-x_y\"' -c -o x.o x.c", "nft_x_y", 0 },
        { "gcc -DKBUILD_MODNAME='\"x\"' -c -o x.o x.c", "", 0 },
        { "gcc -DMODULE -DKBUILD_MODNAME='\"a:b\"' -c -o x.o x.c", NULL, PATCH_ERROR_DOES_NOT_FIT },
        { "gcc -DMODULE -DKBUILD_MODNAME='\"\"' -c -o x.o x.c", NULL, PATCH_ERROR_FAILED },
        { "gcc -DMODULE -c -o x.o x.c", NULL, PATCH_ERROR_FAILED },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *text = g_strdup_printf("cmd_x.o := %s\n", commands[i].command);
        g_autoptr(PatchSavedCmd) saved = patch_saved_cmd_parse(text, NULL);
        g_autoptr(GError) error = NULL;
        g_autofree char *module = NULL;

        g_assert_nonnull(saved);
        module = patch_saved_cmd_module(saved, &error);
        g_assert_cmpstr(module, ==, commands[i].module);
        if (!commands[i].module)
            g_assert_error(error, PATCH_ERROR, commands[i].code);
    }
}

static void
test_refused_commands(void)
{
    static const char *const texts[] = {
        "", "cmd_x.o := \n", "cmd_x.o := gcc -c -o x.o x.S\n", "cmd_x.o := gcc -c -o x.o x.c; rm -rf x.o\n",
        "cmd_x.o := gcc 'x\n", "cmd_x.o := gcc x.c -c -o\n",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(PatchSavedCmd) saved = patch_saved_cmd_parse(texts[i], &error);

        g_assert_null(saved);
        g_assert_error(error, PATCH_ERROR, PATCH_ERROR_FAILED);
    }
}

static void
test_functions_in_source(void)
{
    static const char text[] = "int f(int);\n\nstatic int\nf(int x)\n{\n\treturn g(x);\n}\n\n"
        "int g(int a,\n      int b)\n{\n}\nSYSCALL_DEFINE1(pipe, int, x)\n{\n\treturn 0;\n}\n";
    guint first, last;

    g_assert_true(patch_csource_find(text, "f", &first, &last));
    g_assert_cmpuint(first, ==, 4);
    g_assert_cmpuint(last, ==, 7);
    g_assert_true(patch_csource_find(text, "g.constprop.0", &first, &last));
    g_assert_cmpuint(first, ==, 9);
    g_assert_cmpuint(last, ==, 12);
    g_assert_true(patch_csource_find(text, "__do_sys_pipe", &first, &last));
    g_assert_cmpuint(first, ==, 13);
    g_assert_false(patch_csource_find(text, "h", &first, &last));
}

static void
test_dry_run(void)
{
    g_autoptr(GHashTable) texts = patch_saved_cmd_texts(
        "make -C /b x.o\nset -e; gcc -c -o fs/x.o /s/fs/x.c; scripts/basic/fixdep fs/.x.o.d fs/x.o "
        "'gcc -DN='\\''\"x\"'\\'' -DKBUILD_MODNAME='\\''\"x\"'\\'' -c -o fs/x.o /s/fs/x.c' > fs/.x.o.cmd; rm -f fs/.x.o.d\n"
        "scripts/basic/fixdep cut\n");
    g_autoptr(PatchSavedCmd) saved = NULL;
    GStrv argv;

    g_assert_cmpuint(g_hash_table_size(texts), ==, 1);
    saved = patch_saved_cmd_parse(g_hash_table_lookup(texts, "fs/x.o"), NULL);
    g_assert_nonnull(saved);
    argv = saved->commands->pdata[0];
    g_assert_cmpstr(argv[0], ==, "gcc");
    g_assert_cmpstr(argv[1], ==, "-DN=\"x\"");
}

/* Before 5.18, the kernel's build ran objtool in a line of its own. */
static void
test_dry_run_with_objtool_apart(void)
{
    g_autoptr(GHashTable) texts = patch_saved_cmd_texts(
        "set -e; gcc -c -o fs/x.o /s/fs/x.c; scripts/basic/fixdep fs/.x.o.d fs/x.o 'gcc -c -o fs/x.o /s/fs/x.c' > fs/.x.o.cmd\n"
        "set -e;  trap 'rm -f fs/x.o; kill $$' HUP;  ./tools/objtool/objtool orc generate  --no-fp fs/x.o; true\n"
        "./tools/objtool/objtool check fs/other.o\ntools/objtool/objtool \n");
    g_autoptr(PatchSavedCmd) saved = NULL;
    GStrv argv;

    g_assert_cmpuint(g_hash_table_size(texts), ==, 1);
    saved = patch_saved_cmd_parse(g_hash_table_lookup(texts, "fs/x.o"), NULL);
    g_assert_nonnull(saved);
    g_assert_cmpuint(saved->commands->len, ==, 2);
    argv = saved->commands->pdata[1];
    g_assert_cmpuint(g_strv_length(argv), ==, 5);
    g_assert_cmpstr(argv[2], ==, "generate");
    g_assert_cmpstr(argv[4], ==, "fs/x.o");
}

/* What of the names in the text OTHERS (which stand beside the changed one) a change of OLD to NEW reaches. */
static char *
spread(const char *old_text, const char *new_text, const char *others)
{
    g_autoptr(PatchConstructs) constructs = patch_constructs_new();
    g_autoptr(GPtrArray) stems = g_ptr_array_new();
    g_autoptr(GHashTable) names = NULL;
    GList *sorted;
    GString *joined = g_string_new(NULL);

    patch_constructs_add(constructs, 0, old_text, strlen(old_text));
    patch_constructs_add(constructs, 1, new_text, strlen(new_text));
    patch_constructs_add(constructs, 2, others, strlen(others));
    patch_constructs_taint_changed(constructs, 0, 1);
    names = patch_constructs_spread(constructs, stems);
    sorted = g_list_sort(g_hash_table_get_keys(names), (GCompareFunc) g_strcmp0);
    for (GList *item = sorted; item; item = item->next)
        g_string_append_printf(joined, "%s%s", joined->len ? " " : "", (char *) item->data);
    g_list_free(sorted);
    return g_string_free(joined, FALSE);
}

static void
test_reach_of_changes(void)
{
    static const struct {
        const char *before, *after, *others, *names;
    } changes[] = {
        { "int a;\n/* x */\n", "int a; /* y */", "int b = sizeof(a);", "" },
        { "#define A 1\n#define B 2\n", "#define A 1\n#define B 3\n", "#define C (A)\n#define D (B)\n#define E D\n",
          "B D E" },
        { "static inline int f(void) { return 1; }", "static inline int f(void) { return 2; }",
          "static __always_inline struct s *g(int x)\n{ if (x) { f(); } return 0; }\nint h(struct s *);", "f g" },
        { "struct a { int x; };", "struct a { long x; };", "struct b { struct a a; } __packed;\nstruct c;\n"
          "typedef struct { struct b *p; } d_t;\nextern d_t *e(void);\nstatic const struct o y = { .f = e };\n"
          "int (*fp)(struct c *);\n", "a b d_t e y" },
        { "int f_a(void);", "long f_a(void);", "#define F(x) f_##x\n#define A F(a)\nstatic inline int g(void) { return F(a)(); }\n"
          "static inline int h(void) { return F(b)(); }\nint i = A;\n", "A f_a g i" },
        { "enum e { E1, E2 };", "enum e { E0, E1, E2 };", "int x[E2];\nint z;", "E0 E1 E2 e x" },
        { "#ifdef A\nint x;\n#endif\nint y;", "#ifdef B\nint x;\n#endif\nint y;", "", "x" },
        { "#ifndef A\nint x;\n#endif\nint y;", "#ifndef B\nint x;\n#endif\nint y;", "", "x" },
        { "#if A\nint x;\n#elif B\nint y;\n#endif", "#if A\nint x;\n#elif C\nint y;\n#endif", "", "y" },
        { "int f(int a);", "int f(int a);\nint g(int a);", "#define G g\n", "G g" },
        { "#define MAKE(n) int get_##n\n", "#define MAKE(n) long get_##n\n", "MAKE(thing)\n;struct t { int x; };",
          "MAKE thing" },
        { "struct a { int x; };", "struct a { long x; };", "typedef int (*fn_t)(struct a *p, void *context);\n"
          "int elsewhere(int context);\nextern fn_t get(void);", "a fn_t get" },
        { "struct a { int x; };", "struct a { long x; };", "struct b { struct a a; } ____cacheline_aligned_in_smp;\n"
          "struct c { int y; } ____cacheline_aligned_in_smp;", "a b" },
        { "#define MAKE(n) int get_##n\n", "#define MAKE(n) long get_##n\n", "int x;\nMAKE(thing)", "MAKE thing" },
        { "FLAG(A, a)\nstatic inline int f(void) { return 1; }", "FLAG(A, a)\nstatic inline int f(void) { return 2; }",
          "int g(void) { return f(); }", "A a f g" },
        { "void __ip_select_ident(int a);", "void __ip_select_ident(long a);", "int g(void) { __ip_select_ident(1); }",
          "__ip_select_ident g" },
        { "FLAG(A, a)\nint f(int a);", "FLAG(A, a)\nint f(long a);", "int g(void) { return f(1); }", "A a f g" },
        { "FLAG(A, a)\nextern int v;", "FLAG(A, a)\nextern long v;", "int g(void) { return v; }", "A a g v" },
        { "FLAG(A, a)\nstruct s { int x; };", "FLAG(A, a)\nstruct s { long x; };", "int g(struct s *s) { return 1; }", "A a g s" },
        { "FLAG(A, a)\ntypedef struct { int x; } t;", "FLAG(A, a)\ntypedef struct { long x; } t;",
          "int g(t *t) { return 1; }\nFLAG(B, b)", "A a g t" },
        { "FLAG(A, a)\nenum e { E };", "FLAG(A, a)\nenum e { D, E };", "int g(void) { return E; }", "A D E a e g" },
        { "#define MAKE(n, m) int get_##n##m\n", "#define MAKE(n, m) long get_##n##m\n", "MAKE(x, y);", "MAKE x y" },
        { "typedef struct { BITMAP(b, 3); int x; } t;", "typedef struct { BITMAP(b, 3); long x; } t;", "int g(t *p) { return 1; }", "g t" },
        { "typedef int n_t;", "typedef long n_t;", "struct u { void (*f)(const n_t); };", "n_t u" },
        { "enum { W = 3 };", "enum { W = 4 };", "static inline int g(void) { return W; }\nMAKE(x) { return W; }", "W g x" },
        /* What only a member is called is not meant, unless it is a macro. */
        { "#define MAKE(n) int get_##n\n", "#define MAKE(n) long get_##n\n", "MAKE(thing)\n;struct t { int *thing, *other; };"
          "static inline int u(struct t *t) { return t->thing; }\nint v = thing;", "MAKE thing v" },
        { "#define m a\n", "#define m b\n", "struct t { int m; };\nstatic inline int u(void *p) { return ((struct o *) p)->m; }",
          "m t u" },
        { "enum { W = 3 };", "enum { W = 4 };", "struct t { int x : W; };\nstruct u { char y[W]; };\nstruct v { struct o W; };",
          "W t u" },
        { "#define a 1\n", "#define a 2\n", "#define F(a) (a)\n#define G (a)\n#define H(x, ...) (x + a)\n", "G H a" },
        { "void a(int x);", "void a(long x);", "struct t { void (*a)(void); };\nstruct u { void (*f)(struct a *); };", "a u" },
        { "#define MAKE(n) int get_##n\n", "#define MAKE(n) long get_##n\n", "MAKE(x)\n\nOTHER(y, int)\nstruct s { struct y y; };",
          "MAKE x" },
        /* A name that a macro makes of a number. */
        { "int get_4(int a);", "int get_4(long a);", "#define SIZED(stem) (stem##1 + stem##4)\n#define get(x) SIZED(get_)\n"
          "#define got(x) SIZED(got_)\nint f(void) { return get(0); }", "f get get_ get_4" },
        { "void f(void)\n#if X\n{ if (1) {\n#else\n{ {\n#endif\n} }\nint g(void);", "int g(void);", "", "f" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autofree char *names = spread(changes[i].before, changes[i].after, changes[i].others);

        g_test_message("change %zu", i);
        g_assert_cmpstr(names, ==, changes[i].names);
    }
}

/* Of each construct, whether it is in every file that includes it. */
static void
test_emitting(void)
{
    static const struct {
        const char *text, *emits;
    } cases[] = {
        { "int v;", "y" }, { "static int v = 3;", "y" }, { "extern int v;", "n" }, { "typedef int v;", "n" },
        { "typedef struct { int x; } v;", "n" }, { "struct s { int x; };", "n" }, { "struct s { int x; } v = { 1 };", "y" },
        { "static const struct o y = { .f = e };", "y" }, { "enum e { A };", "n" }, { "union u { int x; };", "n" },
        { "int (*v)(int);", "y" }, { "extern int (*v)(int);", "n" }, { "typedef int (*v)(int);", "n" },
        { "int f(int x);", "n" }, { "int f(int x) { return x; }", "y" }, { "static int f(int x) { return x; }", "y" },
        { "static inline int f(int x) { return x; }", "n" }, { "static __always_inline int f(int x) { return x; }", "n" },
        { "static __inline__ int f(int x) { return x; }", "n" }, { "static __inline int f(int x) { return x; }", "n" },
        { "MAKE(x);", "y" }, { "static MAKE(x);", "y" }, { "const MAKE(x);", "y" }, { "MAKE(x)\nMAKE(y)\n", "yy" }, { "asm(\"nop\");", "y" }, { "__asm__(\"nop\");", "y" },
        { "extern int f(int x) __asm__(\"g\");", "n" }, { "#define A 1\nint v;", "ny" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PatchConstructs) constructs = patch_constructs_new();
        g_autoptr(GString) emits = g_string_new(NULL);

        patch_constructs_add(constructs, 0, cases[i].text, strlen(cases[i].text));
        for (guint c = 0; c < constructs->constructs->len; c++)
            g_string_append_c(emits, g_array_index(constructs->constructs, PatchConstruct, c).emits ? 'y' : 'n');
        g_test_message("%s", cases[i].text);
        g_assert_cmpstr(emits->str, ==, cases[i].emits);
    }
}

static char *
in_conditions(const char *text, guint n)
{
    GString *whole = g_string_new(NULL);

    for (guint i = 0; i < n; i++)
        g_string_append(whole, "#ifdef A\n");
    g_string_append(whole, text);
    for (guint i = 0; i < n; i++)
        g_string_append(whole, "#endif\n");
    return g_string_free(whole, FALSE);
}

/* More conditions within each other than there are anywhere. */
static void
test_reach_within_many_conditions(void)
{
    g_autofree char *before = in_conditions("int x;\n", 10000), *after = in_conditions("long x;\n", 10000);
    g_autofree char *names = spread(before, after, "int y = x;");

    g_assert_cmpstr(names, ==, "x y");
}

/* Whether TEXT has macros, of HEADER or its own, make one of the names that a change of f_read() and four() taints. */
static gboolean
makes(const char *header, const char *text)
{
    static const char before[] = "static inline int f_read_x(void) { return 1; }\nstatic inline int four(void) { return 1; }\n",
                      after[] = "static inline int f_read_x(void) { return 2; }\nstatic inline int four(void) { return 2; }\n";
    g_autoptr(PatchConstructs) constructs = patch_constructs_new();
    g_autoptr(GHashTable) names = NULL;
    g_autoptr(GPtrArray) stems = g_ptr_array_new();
    g_autoptr(PatchMakers) makers = NULL;

    patch_constructs_add(constructs, 0, before, strlen(before));
    patch_constructs_add(constructs, 1, after, strlen(after));
    patch_constructs_add(constructs, 2, header, strlen(header));
    patch_constructs_taint_changed(constructs, 0, 1);
    names = patch_constructs_spread(constructs, NULL);
    makers = patch_makers_new(constructs, names);
    return patch_makers_text(makers, stems, text, strlen(text));
}

static void
test_names_made_by_macros(void)
{
    static const struct {
        const char *header, *text;
        gboolean makes;
    } cases[] = {
        { "#define CALL(op) f_##op\n", "int g(void) { return CALL(read_x)(); }", TRUE },
        { "#define CALL(op) f_##op\n", "int g(void) { return CALL(write)(); }", FALSE },
        { "#define CALL(op) f_##op\n", "int read_x(void) { return 1; }", FALSE },
        { "#define CALL(op) g_##op\n", "int g(void) { return CALL(read_x)(); }", FALSE },
        { "#define CALL(op) op\n", "int g(void) { return CALL(read_x)(); }", FALSE },
        { "#define CALL(op, to) f_ ## op ## _ ## to\n", "int a = CALL(read, x)();", TRUE },
        { "#define CALL(op, to) f_##op##_##to\n", "int a = CALL(read, y)();", FALSE },
        { "#define CALL(op) op##_x\n", "int a = CALL(f_read)();", TRUE },
        { "#define CALL(one, other) one##_##other\n", "int a = CALL(f_read, x)();", TRUE },
        { "#define CALL(one, other) one##_##other\n", "int a = CALL(f, read)(x_);", FALSE },
        { "#define CALL(op) op##_xx\n", "int a = CALL(f_read)();", FALSE },
        { "#define CALL(op) (#op, f_##op##_x())\n", "int a = CALL(read);", TRUE },
        { "#define CALL(op) f_##op\n#define READ CALL(read_x)()\n", "int a = READ;", TRUE },
        { "#define CALL(op) f_##op\n#define OUTER(o) CALL(o)()\n#define WHAT read_x\n", "int a = OUTER(WHAT);", TRUE },
        { "#define CALL(op) f_##op\n#define OUTER(o) CALL(read_##o)()\n", "int a = OUTER(x);", TRUE },
        { "#define CALL(op) f_##op\n#define OUTER(o) CALL(read_##o)()\n", "int a = OUTER(y);", FALSE },
        { "#define CALL(type) fo##type\n", "int a = CALL(ur)();", TRUE },
        { "", "#define CALL(op) f_##op\nint a = CALL(read_x)();", TRUE },
        { "", "#define CALL(op) f_##op\nint a = CALL(read)();", FALSE },
        { "", "#define CALL(op) \\\n\tf_##op\nint a = CALL(read_x)();", TRUE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("case %zu", i);
        g_assert_cmpint(makes(cases[i].header, cases[i].text), ==, cases[i].makes);
    }
}

static void
test_mentions(void)
{
    static const char text[] = "int x; /* secret */ char *s = \"secret\"; // secret\nSetPagePoisoned(p);";
    g_autoptr(PatchConstructs) constructs = patch_constructs_new();
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) stems = g_ptr_array_new();
    g_autoptr(PatchMakers) makers = NULL;

    g_hash_table_add(names, (char *) "secret");
    makers = patch_makers_new(constructs, names);
    g_assert_false(patch_makers_text(makers, stems, text, strlen(text)));
    g_ptr_array_add(stems, (char *) "Poison");
    g_assert_true(patch_makers_text(makers, stems, text, strlen(text)));
    g_ptr_array_set_size(stems, 0);
    g_hash_table_add(names, (char *) "s");
    g_assert_true(patch_makers_text(makers, stems, text, strlen(text)));
}

/* The constants that PATCH changes in OLD_TEXT, by name; to be freed. */
static char *
constants_changed(const char *patch, const char *old_text)
{
    g_autoptr(PatchFiles) files = patch_files_parse(patch, NULL);
    g_autoptr(GHashTable) texts = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free), names = NULL;
    PatchFile *file = only_file(files);
    g_autoptr(GList) sorted = NULL;
    GString *text = g_string_new(NULL);

    g_hash_table_insert(texts, file->path, patch_file_apply(file, old_text, NULL));
    names = patch_changed_constants(files, texts);
    sorted = g_list_sort(g_hash_table_get_keys(names), (GCompareFunc) strcmp);
    for (GList *name = sorted; name; name = name->next)
        g_string_append_printf(text, "%s ", (const char *) name->data);
    return g_string_free(text, FALSE);
}

static void
test_changed_constants(void)
{
    g_autofree char *nested = constants_changed(HEADER "@@ -1 +1 @@\n-#define BITS 7\n+# define BITS 9\n",
                                                "#define BITS 7\n#define SIZE (1 << BITS)\n#define OTHER 3 /* BITS */\n"
                                                "#define IN(x) ((x) < \\\n SIZE)\n");
    g_autofree char *split = constants_changed(HEADER "@@ -2 +2 @@\n- 7\n+ 9\n", "#define BITS \\\n 7\n#define AFTER 1\n");
    g_autofree char *variable = constants_changed(HEADER "@@ -1 +1 @@\n-static const unsigned int size = 7;\n"
                                                  "+static const unsigned int size = 9;\n", "static const unsigned int size = 7;\n");
    g_autofree char *function = constants_changed(HEADER "@@ -1 +1 @@\n-#define F(x) 7\n+#define F(x) 9\n",
                                                  "#define F(x) 7\n#define BITS F(1)\n");
    g_autofree char *none = constants_changed(HEADER "@@ -1 +1 @@\n-int x;\n+int y;\n", "int x;\n#define BITS 7\n");

    g_assert_cmpstr(nested, ==, "BITS IN SIZE ");
    g_assert_cmpstr(split, ==, "BITS ");
    g_assert_cmpstr(variable, ==, "size ");
    g_assert_cmpstr(function, ==, "");
    g_assert_cmpstr(none, ==, "");
}

static void
assert_renumbered(const char *old_text, const char *new_text, const char *expected)
{
    g_autofree char *name = NULL, *text = patch_cmacros_renumbered(old_text, new_text, &name);

    g_assert_cmpstr(name, ==, expected);
    g_assert_true(!text == !expected);
}

static void
test_renumbered(void)
{
    static const char old_text[] = "#define BIT_A 1\n#define BIT_B (1 << 1)\t/* b */\n#define BIT_C 4\n";

    assert_renumbered(old_text, "#define BIT_A 1\n#define BIT_N ( 1<<1 )\n#define BIT_B 4\n#define BIT_C 8\n", "BIT_B");
    assert_renumbered(old_text, "#define BIT_A 1\n#define BIT_B (1<<1)\n#define BIT_C 4\n#define BIT_N 8\n", NULL);
    assert_renumbered(old_text, "#define BIT_A 1\n#define BIT_B (1 << 1)\n#define BIT_C 8\n#define Y_N 4\n", NULL);
    assert_renumbered(old_text, "#define BIT_A 1\n#define BIT_B (1 << 1)\n#define BIT_C 8\n", NULL);
    assert_renumbered("#define BIT_NR_A 8\n", "#define BIT_NR_B 8\n#define BIT_NR_A (1 << BIT_NR_B)\n", NULL);
    assert_renumbered("#ifdef X\n#define BIT_A 1\n#else\n#define BIT_A 2\n#endif\n",
                      "#ifdef X\n#define BIT_A 3\n#define BIT_N 1\n#else\n#define BIT_A 2\n#endif\n", NULL);
}

static void
test_constant_use(void)
{
    static const struct {
        const char *text;
        guint uses;
    } cases[] = {
        { "enum e { A, END }; int t[END]; for (i = 0; i < END; i++) f(END, t[END - 1]);", 0 },
        { "x->n = END + 1; if (x->n <= END || END >= y) z = END - 1; enum { NEXT = END + 1 };", 0 },
        { "x->state = END;", PATCH_CONSTANT_STORED },
        { "struct s s = { .state = END, };", PATCH_CONSTANT_STORED },
        { "return END;", PATCH_CONSTANT_STORED },
        { "x = y ? END : A;", PATCH_CONSTANT_STORED },
        { "if (x->state == END)", PATCH_CONSTANT_COMPARED },
        { "if (END != x->state)", PATCH_CONSTANT_COMPARED },
        { "switch (x) { case END: f(); }", PATCH_CONSTANT_COMPARED },
        { "x->state = ENDING; if (x->state == END)", PATCH_CONSTANT_COMPARED },
        { "x->state = END; if (x->state == END)", PATCH_CONSTANT_STORED | PATCH_CONSTANT_COMPARED },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].text);
        g_assert_cmpuint(patch_constant_use(cases[i].text, strlen(cases[i].text), "END"), ==, cases[i].uses);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/source/apply", test_apply);
    g_test_add_func("/source/forms", test_forms);
    g_test_add_func("/source/new-file-is-named", test_new_file_is_named);
    g_test_add_func("/source/does-not-apply", test_does_not_apply);
    g_test_add_func("/source/lines", test_lines);
    g_test_add_func("/source/refused-patches", test_refused_patches);
    g_test_add_func("/source/kconfig", test_kconfig);
    g_test_add_func("/source/saved-commands", test_saved_commands);
    g_test_add_func("/source/module-of-command", test_module_of_command);
    g_test_add_func("/source/refused-commands", test_refused_commands);
    g_test_add_func("/source/functions-in-source", test_functions_in_source);
    g_test_add_func("/source/dry-run", test_dry_run);
    g_test_add_func("/source/dry-run-with-objtool-apart", test_dry_run_with_objtool_apart);
    g_test_add_func("/source/reach-of-changes", test_reach_of_changes);
    g_test_add_func("/source/emitting", test_emitting);
    g_test_add_func("/source/reach-within-many-conditions", test_reach_within_many_conditions);
    g_test_add_func("/source/names-made-by-macros", test_names_made_by_macros);
    g_test_add_func("/source/mentions", test_mentions);
    g_test_add_func("/source/changed-constants", test_changed_constants);
    g_test_add_func("/source/constant-use", test_constant_use);
    g_test_add_func("/source/renumbered", test_renumbered);
    return g_test_run();
}
