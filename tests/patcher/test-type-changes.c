/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which changed types are what they were to who does not use what is new in them, and what then depends on the change.
 */
#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "patcher/finding.h"
#include "patcher/renamed-types.h"
#include "patcher/reached.h"
#include "patcher/type-changes.h"
#include "tests/patcher/diff-cases.h"

static int
compare_strings(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static char *
join_sorted(GPtrArray *names)
{
    GString *text = g_string_new(NULL);

    g_ptr_array_sort(names, compare_strings);
    for (guint i = 0; i < names->len; i++)
        g_string_append_printf(text, "%s%s", i ? " " : "", (const char *) names->pdata[i]);
    return g_string_free(text, FALSE);
}

/* The names that differ in "KIND t" between two definitions; NULL if it is another type. */
static char *
compare(const char *folder, const char *kind, const char *before, const char *after)
{
    static const char format[] = "struct p; struct q; typedef unsigned int u32; %s; %s t x;";
    g_autofree char *old_source = g_strdup_printf(format, before, kind), *new_source = g_strdup_printf(format, after, kind);
    g_autofree char *name = g_strconcat(kind, " t", NULL);
    g_autoptr(PatchElf) old_elf = diff_case_compile(folder, "gcc", "old", old_source);
    g_autoptr(PatchElf) new_elf = diff_case_compile(folder, "gcc", "new", new_source);
    g_autoptr(PatchDwarf) old_dwarf = patch_dwarf_read(old_elf), new_dwarf = patch_dwarf_read(new_elf);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const GPtrArray *was = g_hash_table_lookup(old_dwarf->structs, name), *is = g_hash_table_lookup(new_dwarf->structs, name);

    g_assert_nonnull(was);
    g_assert_nonnull(is);
    return patch_type_is_as_before(was->pdata[0], is->pdata[0], names) ? join_sorted(names) : NULL;
}

static void
test_as_before(void)
{
    static const struct {
        const char *kind, *before, *after, *names;
    } types[] = {
        { "struct", "struct t { struct p *a; int b; }", "struct t { union { struct p *a; struct p *c; }; int b; }", "c" },
        { "struct", "struct t { struct p *a; int b; }", "struct t { struct p *a ; int b; } /* x */", "" },
        { "struct", "struct t { int a, b; }", "struct t { int b, a; }", "a a b b" },
        { "struct", "struct t { int a; void *b; }", "struct t { void *b; int a; }", NULL },
        { "struct", "struct t { int a; }", "struct t { long a; }", NULL },
        { "struct", "struct t { int a; }", "struct t { unsigned a; }", NULL },
        { "struct", "struct t { struct p *a; }", "struct t { struct q *a; }", NULL },
        { "struct", "struct t { int a; char b; }", "struct t { int a; char b; char c; }", NULL },
        { "struct", "struct t { int a; char b; char c; }", "struct t { int a; char b; }", NULL },
        { "struct", "struct t { int a; int b; }", "struct t { int a; int c; }", "b c" },
        { "struct", "struct t { int a : 3, b : 5; }", "struct t { int a : 4, b : 4; }", NULL },
        { "struct", "struct t { struct { int a; } s; }", "struct t { struct { union { int a; int c; }; } s; }", "c" },
        { "struct", "struct t { struct { int a; } s; }", "struct t { struct { char a; } s; }", NULL },
        { "struct", "struct t { int a; int b[2]; }", "struct t { int a; int b[]; }", NULL },
        { "struct", "struct t { int (*a)(int); }", "struct t { int (*a)(long); }", NULL },
        { "union", "union t { int a; }", "union t { int a; int b; }", "b" },
        { "union", "union t { int a; }", "union t { int a; long b; }", NULL },
        { "enum", "enum t { A, B }", "enum t { A, B, C }", "C" },
        { "enum", "enum t { A, B }", "enum t { B, A }", "A A B B" },
        { "enum", "enum t { A, B, MAX }", "enum t { A, B, C, MAX }", "C MAX MAX" },
        { "enum", "enum t { A, B }", "enum t { A, B, C = -1 }", NULL },
        { "enum", "enum t { A, B }", "enum t { A, B, C = 1ul << 40 }", NULL },
        { "enum", "enum t { A, B }", "enum t { A }", "B" },
    };
    g_autofree char *folder = g_dir_make_tmp("type-changes-XXXXXX", NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        g_autofree char *names = compare(folder, types[i].kind, types[i].before, types[i].after);

        g_test_message("type %zu", i);
        g_assert_cmpstr(names, ==, types[i].names);
    }
    g_rmdir(folder);
}

/* Of the types that a patch defines anew, one is found to be another's successor. */
static void
test_renamed(void)
{
    static const struct {
        const char *patch;
        guint n;
    } patches[] = {
        { NULL, 1 },
        { "--- a/x.h\n+++ b/x.h\n@@ -1 +1 @@\n-struct s {\n+struct t {\n", 1 },
        { "--- a/x.h\n+++ b/x.h\n@@ -1 +1 @@\n-struct s\t{\n+struct s *s;\n+struct t\t{\n", 1 },
        { "--- a/x.h\n+++ b/x.h\n@@ -1 +1 @@\n struct s {\n+struct t {\n", 0 },
        { "--- a/x.h\n+++ b/x.h\n@@ -1 +1 @@\n-struct s {\n struct t {\n", 0 },
        { "--- a/x.h\n+++ b/x.h\n@@ -1 +1 @@\n-struct s *s;\n+struct t {\n", 0 },
    };
    g_autofree char *folder = g_dir_make_tmp("type-changes-XXXXXX", NULL);
    g_autoptr(PatchElf) old_elf = diff_case_compile(folder, "gcc", "old", "struct s { int a; long b; char c; } x;");
    g_autoptr(PatchElf) new_elf = diff_case_compile(folder, "gcc", "new", "struct t { int a; long n; long b; char c; } x;");
    g_autoptr(PatchDwarf) old_dwarf = patch_dwarf_read(old_elf), new_dwarf = patch_dwarf_read(new_elf);

    for (gsize i = 0; i < G_N_ELEMENTS(patches); i++) {
        g_autoptr(GPtrArray) findings = patch_findings_new();

        patch_renamed_types_find(old_dwarf, new_dwarf, patches[i].patch, findings);
        g_test_message("patch %zu", i);
        g_assert_cmpuint(findings->len, ==, patches[i].n);
    }
    g_rmdir(folder);
}

/* What is tainted by the change of OLD_TEXT to NEW_TEXT, in OTHERS, too, where a member c of struct t (constant C of enum e) is
 * known to be all that differs, and HASHES, if given, to be of the text that the compiler saw. */
static char *
spread(const char *old_text, const char *new_text, const char *others, const guint64 *hashes)
{
    static const guint64 none[PATCH_N_SIDES];
    g_autoptr(PatchTypeChanges) changes = patch_type_changes_new();
    g_autoptr(PatchConstructs) constructs = patch_constructs_new();
    g_autoptr(GPtrArray) member = g_ptr_array_new(), constant = g_ptr_array_new(), sorted = g_ptr_array_new();
    g_autoptr(GHashTable) names = NULL;
    GHashTableIter iter;
    gpointer name;

    g_ptr_array_add(member, (char *) "c");
    g_ptr_array_add(constant, (char *) "C");
    patch_type_changes_note(changes, "struct t", hashes ? hashes : none, member);
    patch_type_changes_note(changes, "enum e", hashes ? hashes : none, constant);
    patch_type_changes_note(changes, "struct other", none, NULL);
    patch_constructs_add(constructs, 0, old_text, strlen(old_text));
    patch_constructs_add(constructs, 1, new_text, strlen(new_text));
    patch_constructs_add(constructs, 2, others, strlen(others));
    patch_constructs_taint_changed(constructs, 0, 1);
    patch_type_changes_forgive(changes, constructs, hashes != NULL);
    names = patch_constructs_spread(constructs, NULL);
    g_hash_table_iter_init(&iter, names);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_ptr_array_add(sorted, name);
    return join_sorted(sorted);
}

#define OLD_T "struct t { int a; };\n"
#define NEW_T "struct t { union { int a; int c; }; };\n"

static void
test_forgiven(void)
{
    static const struct {
        const char *before, *after, *others, *names;
    } changes[] = {
        { OLD_T, NEW_T, "struct u { struct t t; };\nint f(struct t *t) { return t->a; }\nstatic struct t v;", "c" },
        { OLD_T, NEW_T, "int f(struct t *t) { return t->c; }\nint g(void) { return f(0); }\nint h(void);", "c f g" },
        { OLD_T, NEW_T, "#define M(t) ((t)->c)\nint f(struct t *t) { return M(t); }", "M c f" },
        { OLD_T, NEW_T, "int f(void) { return offsetof(struct t, c); }\nstatic struct t v = { .c = 1 };", "c f v" },
        { OLD_T, "struct t { union { int a, c; }; };\n", "int f(struct t *t) { return t->a; }\nint g(struct t *t) { return t->c; }",
          "c g" },
        /* A member of that name in another structure is none of the new one. */
        { OLD_T, NEW_T, "struct u { int c; };\nint f(struct u *u);", "c" },
        /* What else is in the same header is tainted as ever. */
        { OLD_T "struct w { int x; };", NEW_T "struct w { long x; };", "int f(struct t *t);\nint g(struct w *w);", "c g w" },
        /* Not all files need to have the same of it. */
        { "#ifdef LOCAL\n" OLD_T "#endif", "#ifdef LOCAL\n" NEW_T "#endif", "int f(struct t *t);", "f t" },
        { "struct t {\n#if LOCAL > 1\nint b;\n#endif\nint a; };", NEW_T, "int f(struct t *t);", "c f t" },
        { "#ifndef _NET_T_H\n#ifdef CONFIG_X\n" OLD_T "#endif\n#endif", "#ifndef _NET_T_H\n#ifdef CONFIG_X\n" NEW_T
          "#endif\n#endif", "int f(struct t *t);", "c" },
        { "#ifdef LOCAL\n#ifdef CONFIG_X\n" OLD_T "#endif\n#endif", "#ifdef LOCAL\n#ifdef CONFIG_X\n" NEW_T "#endif\n#endif",
          "int f(struct t *t);", "f t" },
        { "struct t {\n#if LOCAL > 1\nint b;\n#endif\n#ifdef CONFIG_X\nint b;\n#endif\nint a; };", NEW_T, "int f(struct t *t);",
          "c f t" },
        /* A variable is more than a type. */
        { "struct t { int a; } v;", "struct t { union { int a; int c; }; } v;", "int f(struct t *t);", "f t v" },
        /* Others of the same name, and those of which nothing is known, or too much. */
        { "union t { int a; };", "union t { int a; int c; };", "int f(union t *t);", "f t" },
        { "struct other { int a; };", "struct other { long a; };", "int f(struct other *o);", "f other" },
        { "enum e { A };", "enum e { A, C };", "int f(enum e e) { return e == A; }\nint g(int e) { return e == C; }", "C g" },
        /* What a type is made of may change elsewhere. */
        { OLD_T "typedef int n;", NEW_T "typedef long n;", "struct t2 { n n; };\nint f(struct t2 *t);", "c f n t2" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autofree char *names = spread(changes[i].before, changes[i].after, changes[i].others, NULL);

        g_test_message("change %zu", i);
        g_assert_cmpstr(names, ==, changes[i].names);
    }
}

/* What the compiler is asked about. */
static void
test_wanted(void)
{
    static const struct {
        const char *before, *after, *others;
        gboolean is_wanted;
    } changes[] = {
        { "struct n { int a; };", "struct n { int b; };", "struct m { int a; };", TRUE },
        { "struct n { int a; };", "struct n { int a; };", "", FALSE },
        { "int f(void);", "int f(int);", "", FALSE },
        { OLD_T, NEW_T, "", FALSE },    /* known already */
        /* Another one of that name may be the one that a file has. */
        { "struct n { int a; };", "struct n { int b; };", "struct n { int c; };", FALSE },
        { "struct n { int a; };\n#ifdef CONFIG_X\nstruct n { int d; };\n#endif", "struct n { int b; };", "", FALSE },
        { "#ifdef LOCAL\nstruct n { int a; };\n#endif", "#ifdef LOCAL\nstruct n { int b; };\n#endif", "", FALSE },
    };
    static const guint64 none[PATCH_N_SIDES];

    for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autoptr(PatchTypeChanges) known = patch_type_changes_new();
        g_autoptr(PatchConstructs) constructs = patch_constructs_new();
        const char *texts[] = { changes[i].before, changes[i].after, changes[i].others };

        for (guint j = 0; j < G_N_ELEMENTS(texts); j++)
            patch_constructs_add(constructs, j, texts[j], strlen(texts[j]));
        patch_constructs_taint_changed(constructs, 0, 1);
        patch_type_changes_note(known, "struct t", none, NULL);
        g_test_message("change %zu", i);
        g_assert_cmpint(patch_type_changes_want(known, constructs, 0), ==, changes[i].is_wanted);
    }
}

static void
test_exact(void)
{
    g_autoptr(PatchConstructs) constructs = patch_constructs_new();
    g_autofree char *same = NULL, *other = NULL;
    guint64 hashes[PATCH_N_SIDES];

    patch_constructs_add(constructs, 0, OLD_T NEW_T, strlen(OLD_T NEW_T));
    g_assert_cmpuint(constructs->constructs->len, ==, 2);
    for (guint i = 0; i < PATCH_N_SIDES; i++)
        hashes[i] = g_array_index(constructs->constructs, PatchConstruct, i).hash;
    same = spread(OLD_T, NEW_T, "int f(struct t *t);", hashes);
    g_assert_cmpstr(same, ==, "c");
    hashes[PATCH_NEW_SIDE]++;
    other = spread(OLD_T, NEW_T, "int f(struct t *t);", hashes);
    g_assert_cmpstr(other, ==, "c f t");
}

static void
test_warning(void)
{
    g_autofree char *small = patch_reached_warning(16, 160, 9, 19), *many = patch_reached_warning(16, 160, 9, 21);
    g_autofree char *too_many = patch_reached_warning(16, 320, 14, 15);

    g_assert_null(small);
    g_assert_nonnull(strstr(many, "21 functions of 9 objects by now, after 16 of 160 files; about 210 of 90 may be expected"));
    g_assert_null(strstr(many, "more objects than"));
    g_assert_nonnull(strstr(too_many, "about 300 of 280 may be expected, which are more objects than an update can have"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/type-changes/renamed", test_renamed);
    g_test_add_func("/type-changes/as-before", test_as_before);
    g_test_add_func("/type-changes/forgiven", test_forgiven);
    g_test_add_func("/type-changes/wanted", test_wanted);
    g_test_add_func("/type-changes/exact", test_exact);
    g_test_add_func("/type-changes/warning", test_warning);
    return g_test_run();
}
