/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which constants and variables of new code may still be in use when the code is gone.
 */
#include "config.h"

#include <elf.h>
#include <glib/gstdio.h>
#include <string.h>

#include "patcher/escape.h"
#include "patcher/new-code.h"
#include "tests/patcher/diff-cases.h"

#define DECLARATIONS                                                                                                   \
    "typedef unsigned long size_t; int _printk(const char *, ...); void keep(const void *); void other(void);\n"      \
    "int memcmp(const void *, const void *, size_t); void *memcpy(void *, const void *, size_t);\n"                   \
    "void _raw_spin_lock(int *); void _raw_spin_unlock(int *); int snprintf(char *, size_t, const char *, ...);\n"     \
    "struct thing { const char *name; const void *table; struct { const char *a, *b, *c, *d, *e, *f; long n[40]; } large; };\n" \
    "void keep7(const char *, const char *, const char *, const char *, const char *, const char *, const char *);\n"   \
    "void *bsearch(const void *, const void *, size_t, size_t, int (*)(const void *, const void *));\n"

/* The compiler does not know what S holds. */
#define HIDDEN "asm volatile(\"\" : \"+r\"(s));"

#define IN(register) "register const char *s asm(\"" register "\") = \"one\"; " HIDDEN
#define SEVEN "void f(void) { keep7(\"one\", \"two\", \"three\", \"four\", \"five\", \"six\", \"seven\"); other(); }"

typedef struct {
    const char *name, *source;
    const char *stays, *goes;   /* names of data, or strings, that are said to escape, or not; NULL: none is looked for */
} Escape;

static const Escape escapes[] = {
    { "printed", "void f(int n) { _printk(\"one %d\", n); }", NULL, "one %d" },
    { "printed-after-other-calls", "void f(int n) { const char *s = n ? \"one\" : \"two\"; other(); if (n > 3) other();"
      "_printk(\"%s\", s); }", NULL, "one" },
    { "stored", "void f(struct thing *t) { t->name = \"one\"; }", "one", NULL },
    { "stored-by-way-of-a-register", "void f(struct thing *t, int n) { t->name = n ? \"one\" : \"two\"; t->table = t->name; }",
      "two", NULL },
    { "returned", "const char *f(int n) { return n ? \"one\" : \"two\"; }", "one", NULL },
    { "passed", "void f(int n) { keep(\"one\"); _printk(\"two\"); }", "one", "two" },
    { "passed-third", SEVEN, "three", NULL },
    { "passed-fourth", SEVEN, "four", NULL },
    { "passed-fifth", SEVEN, "five", NULL },
    { "passed-sixth", SEVEN, "six", NULL },
    { "passed-seventh", SEVEN, "seven", NULL },
    { "passed-in-the-end-of-one-way", "int g(const char *);"
      "int f(int n) { if (__builtin_expect(n, 1)) return g(\"one\"); return 3; }", "one", NULL },
    { "passed-in-the-end", "void f(int n) { keep(\"one\"); }", "one", NULL },
    { "passed-by-pointer", "void f(void (*give)(const char *)) { give(\"one\"); other(); }", "one", NULL },
    { "on-the-stack", "void f(void) { struct { const char *name; } s = { \"one\" }; keep(&s); }", "one", NULL },
    { "printed-on-one-way-only", "void f(int n) { const char *s = \"one\"; if (n) _printk(s); else keep(s); }", "one", NULL },
    { "numbers", "static const int numbers[8] = { 1, 4, 3, 6, 7, 9, 2, 5 }; int f(int n) { return numbers[n & 7]; }", NULL,
      "numbers" },
    { "numbers-in-a-loop", "static const int numbers[8] = { 1, 4, 3, 6, 7, 9, 2, 5 };"
      "void f(void) { for (int i = 0; i < 8; i++) { _printk(\"%d\", numbers[i]); other(); } }", NULL, "numbers" },
    { "numbers-given-away", "static const int numbers[8] = { 1, 4, 3, 6, 7, 9, 2, 5 };"
      "void f(struct thing *t) { t->table = numbers; }", "numbers", NULL },
    { "a-part-of-numbers-given-away", "static const int numbers[8] = { 1, 4, 3, 6, 7, 9, 2, 5 };"
      "void f(struct thing *t, int n) { t->table = numbers + n; }", "numbers", NULL },
    { "compared", "static const int numbers[8] = { 1, 4, 3, 6, 7, 9, 2, 5 };"
      "int f(const void *p) { return p == numbers ? numbers[1] : 1; }", NULL, "numbers" },
    { "names-printed", "static const char *const names[] = { \"one\", \"two\", \"three\" };"
      "void f(int n) { _printk(\"%s\", names[n]); }", NULL, "one" },
    { "names-returned", "static const char *const names[] = { \"one\", \"two\", \"three\" };"
      "const char *f(int n) { return names[n]; }", "two", "names" },
    { "names-stored", "static const char *const names[] = { \"one\", \"two\", \"three\" };"
      "void f(struct thing *t, int n) { t->name = names[n]; other(); }", "two", "names" },
    { "all-names-given-away", "static const char *const names[] = { \"one\", \"two\", \"three\" };"
      "void f(struct thing *t) { t->table = names; }", "two", NULL },
    { "names-behind-a-pointer-given-away", "static const struct { const char *const *names; long n; } all[2] = {"
      "{ (const char *const []) { \"one\", \"two\" }, 2 }, { (const char *const []) { \"three\" }, 1 } };"
      "const char *f(int n, int m) { return all[n].names[m]; }", "two", "all" },
    { "names-passed-on-the-stack", "static const char *const names[] = { \"one\", \"two\", \"three\" };"
      "void f(long n) { keep7(0, 0, 0, 0, 0, 0, names[n]); other(); }", "two", "names" },
    { "names-by-an-index", "static const char *const names[] = { \"one\", \"two\", \"three\" };"
      "const char *f(long n) { const void *all = names; const char *name; asm(\"movq (%1,%2), %0\" : \"=r\"(name) : "
      "\"r\"(n), \"r\"(all)); return name; }", "two", "names" },
    { "searched", "static const int numbers[8] = { 1, 4, 3, 6, 7, 9, 2, 5 };"
      "void f(struct thing *t) { t->table = bsearch(t, numbers, 8, 4, (void *) t->name); }", "numbers", NULL },
    { "copied", "static const struct thing things[2] = { { .name = \"one\" }, { .large = { .a = \"two\" } } };"
      "void f(struct thing *t, int n) { *t = things[n]; }", "two", "things" },
    { "copied-byte-by-byte", "static const struct thing things[2] = { { .name = \"one\" }, { .large = { .a = \"two\" } } };"
      "void f(struct thing *t, long n) { const void *from = things; asm volatile(\"rep movsb\" : \"+D\"(t), \"+S\"(from), "
      "\"+c\"(n) : : \"memory\"); }", "two", "things" },
    { "copied-by-a-call", "static const struct thing thing = { .name = \"one\", .large = { .a = \"two\" } };"
      "void f(struct thing *t, size_t n) { memcpy(t, &thing, n); other(); }", "two", "thing" },
    { "compared-by-a-call", "static const struct thing thing = { .name = \"one\", .large = { .a = \"two\" } };"
      "int f(struct thing *t, size_t n) { return memcmp(t, &thing, n) == 0; }", NULL, "two" },
    { "of-a-variable", "static struct thing thing = { .name = \"one\" }; void f(void) { keep(&thing); thing.table = &thing; }",
      "one", NULL },
    { "stored-after-a-call", "void f(struct thing *t) { const char *s = \"one\"; " HIDDEN "other(); t->name = s; }", "one", NULL },
    { "stored-after-a-test", "void f(struct thing *t) { const char *s = \"one\"; " HIDDEN "asm volatile(\"testq %0, %0\" : : \"r\"(s));"
      "t->name = s; }", "one", NULL },
    { "stored-with-another-byte", "void f(struct thing *t) { const char *s = \"one\"; asm volatile(\"movb $1, %b0\" : \"+q\"(s));"
      "t->name = s; }", "one", NULL },
    { "stored-after-a-call-from-rbx", "void f(struct thing *t) { " IN("rbx") "other(); t->name = s; }", "one", NULL },
    { "stored-after-a-call-from-r12", "void f(struct thing *t) { " IN("r12") "other(); t->name = s; }", "one", NULL },
    { "stored-after-a-table-of-jumps", "void f(struct thing *t, int n) { " IN("r10") "switch (n) { case 0: t->name = s; break; "
      "case 1: t->table = s; break; case 2: t->large.a = s; break; case 3: t->large.b = s; break; case 4: t->large.c = s; break; "
      "case 5: t->large.d = s; } }", "one", NULL },
    { "stored-on-the-likely-way", "void f(struct thing *t, int n) { const char *s = \"one\"; " HIDDEN
      "if (__builtin_expect(n, 0)) { other(); other(); return; } t->name = s; }", "one", NULL },
    { "stored-on-the-unlikely-way", "void f(struct thing *t, int n) { const char *s = \"one\"; " HIDDEN
      "if (__builtin_expect(n, 1)) { other(); other(); return; } t->name = s; }", "one", NULL },
    { "returned-by-a-thunk", "void f(void) { " IN("rax") "asm volatile(\"jmp __x86_return_thunk\" : : \"r\"(s)); "
      "__builtin_unreachable(); }", "one", NULL },
    { "stored-where-another-way-returns", "void f(struct thing *t, int n) { const char *s = \"one\"; " HIDDEN
      "if (n) asm volatile(\"jmp __x86_return_thunk\"); t->name = s; }", "one", NULL },
    { "passed-to-a-new-function", "__attribute__((noipa)) static void own(const char *s) { _printk(s); keep(s); }"
      "void f(void) { own(\"one\"); other(); }", "one", NULL },
    { "variable-stored", "static char label[32]; void f(struct thing *t) { label[0] = t->large.n[0]; t->name = label; }", "label",
      NULL },
    { "variable-returned", "static long state[4] = { 1 }; void *f(int n) { state[n] = n; return &state[n]; }", "state", NULL },
    { "variable-passed", "static long state = 1; void f(int n) { state += n; keep(&state); }", "state", NULL },
    { "variable-of-a-list", "static struct thing head = { .table = &head };"
      "void f(struct thing *t) { t->table = head.table; head.table = t; t->name = (void *) &head; }", "head", NULL },
    { "counter", "static long n_calls; void f(void) { if (n_calls++ > 3) _printk(\"%ld\", n_calls); other(); }", NULL, "n_calls" },
    { "counters", "static long n_calls[4]; void f(int n) { n_calls[n]++; other(); _printk(\"%ld\", n_calls[0]); }", NULL,
      "n_calls" },
    { "counter-in-a-locked-instruction", "static long n_calls; void f(void) { asm volatile(\"lock incq %0\" : \"+m\"(n_calls)); }",
      NULL, "n_calls" },
    { "cleared", "static long state[400]; void f(int n) { state[n]++; __builtin_memset(state, 0, sizeof state); }", NULL, "state" },
    { "lock", "static int lock[4]; void f(int n) { _raw_spin_lock(&lock[n]); other(); _raw_spin_unlock(&lock[n]); }", NULL, "lock" },
    { "lock-given-away", "static int lock; void f(struct thing *t) { _raw_spin_lock(&lock); t->table = &lock; "
      "_raw_spin_unlock(&lock); }", "lock", NULL },
    { "filled-by-a-call", "static char label[32]; void f(int n) { snprintf(label, sizeof label, \"%d\", n); "
      "_printk(\"%s\", label); }", NULL, "label" },
    { "pointed-to-by-what-is-swapped", "static long state = 1; static long *now = &state;"
      "long *f(void) { return __atomic_exchange_n(&now, 0, __ATOMIC_SEQ_CST); }", "state", "now" },
    { "after-a-fault", "void f(struct thing *t, int *p) { const char *s = \"one\"; " HIDDEN "asm goto(\"1: movl (%0), %%eax\\n"
      ".pushsection __ex_table, \\\"a\\\"\\n.long 1b - .\\n.long %l[fault] - .\\n.long 0\\n.popsection\""
      ": : \"r\"(p), \"r\"(s) : \"eax\", \"memory\" : fault); return; fault: t->name = s; }", "one", NULL },
};

/* The datum that is called NAME, or is that string. */
static guint
find(const PatchObject *object, const char *name)
{
    for (guint i = 0; i < object->pieces->len; i++) {
        const PatchPiece *piece = object->pieces->pdata[i];
        gsize length = strlen(name) + 1;

        if (piece->kind != PATCH_PIECE_TEXT &&
            (g_str_equal(piece->name, name) ||
             (piece->code->bytes->len == length && memcmp(piece->code->bytes->data, name, length) == 0)))
            return i;
    }
    g_error("there is no %s", name);
}

/* The object of the function f, which replaces one that does nothing. */
static PatchObject *
compose(const char *source)
{
    g_autofree char *folder = g_dir_make_tmp("escape-XXXXXX", NULL), *whole = g_strconcat(DECLARATIONS, source, NULL);
    g_autoptr(PatchElf) old_elf = diff_case_compile(folder, "gcc", "old", "void f(void) { }");
    g_autoptr(PatchElf) new_elf = diff_case_compile(folder, "gcc", "new", whole);
    g_autoptr(PatchObject) object = patch_object_new();
    g_autoptr(GHashTable) replaced = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchDiff) diff = patch_diff_new(old_elf, new_elf, &error);
    g_autoptr(PatchOldCode) old = patch_old_code_new(object, old_elf, &error);
    g_autoptr(PatchNewCode) code = NULL;
    guint32 index;

    g_assert_no_error(error);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    g_hash_table_add(replaced, (gpointer) "f");
    code = patch_new_code_new(object, diff, old, replaced, NULL);
    g_assert_true(patch_new_code_add(code, patch_elf_find_item(new_elf, "f"), &index, &error));
    g_assert_no_error(error);
    return g_steal_pointer(&object);
}

static void
test_escape(gconstpointer data)
{
    const Escape *escape = data;
    g_autoptr(PatchObject) object = compose(escape->source);
    g_autofree gboolean *found = patch_escape_find(object);

    if (escape->stays)
        g_assert_true(found[find(object, escape->stays)]);
    if (escape->goes)
        g_assert_false(found[find(object, escape->goes)]);
}

/* What is only printed by the code, but is put into a variable of the kernel's as well. */
static void
test_datum(void)
{
    g_autoptr(PatchObject) object = compose("void f(int n) { _printk(\"one\"); }");
    PatchDatum *datum = patch_object_add_datum(object, "name", PATCH_FORM_BYTES, PATCH_ORIGIN_PATCH, 0);
    PatchFixup fixup = { .type = R_X86_64_64, .target = PATCH_TARGET_PIECE, .index = find(object, "one") };
    g_autofree gboolean *found = NULL;

    g_byte_array_set_size(datum->after->bytes, 8);
    g_array_append_val(datum->after->fixups, fixup);
    found = patch_escape_find(object);
    g_assert_true(found[find(object, "one")]);
}

/* A table that stays, and leads to what does not; if nobody is there to take it back. */
static void
test_own_function(void)
{
    g_autoptr(PatchObject) object = compose("static void own(void) { other(); } static void (*const calls[])(void) = { other, own };"
                                            "void f(struct thing *t) { t->table = calls; }");
    g_autoptr(PatchObject) others = compose("static void (*const calls[])(void) = { other };"
                                            "void f(struct thing *t) { t->table = calls; }");
    g_autoptr(PatchObject) names = compose("static const char *const names[] = { \"one\" };"
                                           "void f(struct thing *t) { t->table = names; }");
    g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
    const PatchHook other_hook = { PATCH_HOOK_POST_APPLY, 1, 0 }, hook = { PATCH_HOOK_PRE_UNDO, 1, 0 };

    patch_escape_note(others, notes);
    patch_escape_note(names, notes);
    g_assert_cmpuint(notes->len, ==, 0);
    g_array_append_val(object->hooks, other_hook);
    patch_escape_note(object, notes);
    g_assert_cmpuint(notes->len, ==, 1);
    g_assert_true(g_str_has_prefix(notes->pdata[0], "calls, which new code may give to objects, leads to own, "));
    g_array_append_val(object->hooks, hook);
    patch_escape_note(object, notes);
    g_assert_cmpuint(notes->len, ==, 1);
}

/* So may one that the kernel can write to. */
static void
test_own_function_of_a_variable(void)
{
    g_autoptr(PatchObject) object = compose("static void own(void) { other(); }"
                                            "static struct { void (*call)(void); int n; } work = { own };"
                                            "void f(int n) { work.n = n; keep(&work); }");
    g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);

    patch_escape_note(object, notes);
    g_assert_cmpuint(notes->len, ==, 1);
    g_assert_true(g_str_has_prefix(notes->pdata[0], "work, which new code may give to objects, leads to own, "));
}

/* As the key of a class of locks, where nobody checks those: it has no state, so any other will do. */
static void
test_no_size(void)
{
    g_autoptr(PatchObject) object = compose("static struct { } key; void f(void) { keep(&key); }");
    const PatchPiece *piece = object->pieces->pdata[find(object, "key")];

    g_assert_cmpint(piece->kind, ==, PATCH_PIECE_RODATA);
    g_assert_cmpuint(piece->size, ==, piece->code->bytes->len);
}

/* Code that cannot be read: nothing is known of it. */
static void
test_unreadable(void)
{
    g_autoptr(PatchObject) object = compose("void f(int n) { _printk(\"one\"); }");
    g_autofree gboolean *found = NULL;
    PatchPiece *piece = object->pieces->pdata[0];
    const guint8 nothing = 0x06;

    g_byte_array_append(piece->code->bytes, &nothing, sizeof nothing);
    found = patch_escape_find(object);
    g_assert_true(found[find(object, "one")]);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(escapes); i++) {
        g_autofree char *path = g_strconcat("/escape/", escapes[i].name, NULL);

        g_test_add_data_func(path, &escapes[i], test_escape);
    }
    g_test_add_func("/escape/put-into-a-variable", test_datum);
    g_test_add_func("/escape/no-size", test_no_size);
    g_test_add_func("/escape/unreadable", test_unreadable);
    g_test_add_func("/escape/own-function", test_own_function);
    g_test_add_func("/escape/own-function-of-a-variable", test_own_function_of_a_variable);
    return g_test_run();
}
