/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tests/patcher/diff-cases.h"

#include <glib/gstdio.h>

#include "patcher/run.h"

#define COMMON \
    "int print(const char *, ...); void use(void *); extern int other;\n" \
    "#define noinline __attribute__((noinline))\n" \
    "#define in(name) __attribute__((section(name)))\n"
#define BUG(line) \
    "asm volatile(\"1: ud2\\n.pushsection __bug_table,\\\"aw\\\"\\n.long 1b - .\\n.long 0\\n" \
    ".word " line "\\n.word 0\\n.popsection\");"
#define BUG_OF(file, flags) \
    "asm volatile(\"1: ud2\\n.pushsection .rodata.str1.1,\\\"aMS\\\",@progbits,1\\n3: .string \\\"" file "\\\"\\n.popsection\\n" \
    ".pushsection __bug_table,\\\"aw\\\"\\n.long 1b - .\\n.long 3b - .\\n.word 1\\n.word " flags "\\n.popsection\");"
#define LOCKED(instruction) \
    "asm volatile(\".pushsection .smp_locks,\\\"a\\\"\\n.long 1f - .\\n.popsection\\n1: lock; " instruction " $1, other(%rip)\");"
#define KEY(key) \
    "asm volatile(\"1: .byte 0x0f, 0x1f, 0x44, 0, 0\\n.pushsection __jump_table,\\\"aw\\\"\\n.long 1b - ., 2f - .\\n" \
    ".quad " key " - .\\n.popsection\\n2:\");"
#define ALTERNATIVE(instruction) \
    "asm volatile(\"1: xorl %eax, %eax\\n.pushsection .altinstructions,\\\"a\\\"\\n.long 1b - ., 2f - .\\n.word 3\\n.byte 2, 2\\n" \
    ".popsection\\n.pushsection .altinstr_replacement,\\\"ax\\\"\\n2: " instruction "\\n.popsection\");"
#define PARAVIRT \
    "asm volatile(\"1: call *other(%rip)\\n2: .pushsection .parainstructions,\\\"a\\\"\\n.balign 8\\n.quad 1b\\n.byte 5, 2b - 1b\\n" \
    ".short 0\\n.popsection\");"
#define SANITIZED(number, line) \
    "asm volatile(\"movq $9f, %rdi\\n.pushsection .data..Lubsan_data" number ",\\\"aw\\\"\\n9: .long " line "\\n.popsection\");"
#define BEFORE_BOOT \
    "asm volatile(\".pushsection .altinstr_aux,\\\"ax\\\"\\n6: testb $1, other(%rip)\\n.popsection\\njmp 6b\");"
#define FAULTS(address) \
    "asm volatile(\"1: movl " address "(%rip), %eax\\n2: .pushsection __ex_table,\\\"a\\\"\\n.long 1b - ., 2b - ., 3\\n.popsection\");"
#define FIXED_UP(value) \
    "asm volatile(\"1: movl other(%rip), %eax\\n2: .pushsection .fixup,\\\"ax\\\"\\n3: movl $" value ", %eax\\njmp 2b\\n.popsection\\n" \
    ".pushsection __ex_table,\\\"a\\\"\\n.long 1b - ., 3b - ., 3\\n.popsection\");"
#define TABLE(entries) "asm(\".pushsection __table, \\\"a\\\"\\n9: " entries "\\n.popsection\");"
#define SHORT_JUMP(instruction) \
    "asm(\".pushsection .text.x, \\\"ax\\\"\\n.globl f\\n.type f, @function\\nf: " instruction "\\n.skip 8, 0x90\\njmp g\\n.size f, . - f\\n" \
    ".type g, @function\\ng: ret\\n.size g, . - g\\n.popsection\");"
#define BEFORE_FUNCTION(instruction) \
    "asm(\".pushsection .text.x, \\\"ax\\\"\\n" instruction "\\njmp other\\n.type g, @function\\ng: ret\\n.size g, . - g\\n.popsection\");"
#define FAR(name) "in(\".text.x\") void " name "(void) { asm volatile(\".skip 200, 0x90\"); }"
#define SHORT(more, instruction) \
    "asm(\".pushsection .text.x, \\\"ax\\\"\\n.globl f\\n.type f, @function\\nf: " instruction "\\n.skip " more ", 0x90\\n" \
    ".size f, . - f\\n.type g, @function\\ng: ret\\n.size g, . - g\\n.popsection\");"
#define RUNTIME_CONSTANT \
    "asm volatile(\"movabs $0x0123456789abcdef, %rax\\n1: .pushsection runtime_ptr_x,\\\"a\\\"\\n.long 1b - 8 - .\\n.popsection\");"
#define SWITCH(value) \
    "int f(int x) { switch (x) { case 0: return print(\"a\"); case 1: return print(\"b\"); case 2: return print(\"c\");" \
    "case 3: return print(\"d\"); case 4: return print(\"e\"); case 5: return print(\"" value "\"); } return 9; }"
#define COLD_PART(more) \
    "__attribute__((cold)) void cold(int); int f(int x) { if (x == 3) { cold(x); use(0); " more " return 7; } return other + x; }"
#define TRACED "asm volatile(\"1: .byte 0x0f, 0x1f, 0x44, 0, 0\\n.pushsection __mcount_loc,\\\"a\\\"\\n.quad 1b\\n.popsection\");"
#define EXPORT(name) \
    "asm(\".pushsection ___ksymtab+" name ",\\\"a\\\"\\n__ksymtab_" name ": .long " name " - .\\n.popsection\");"

#define DRIVER(more) \
    "static const int ids[] = { 3, 4 };" more "static struct { const int *ids; int n; } driver = { ids, 1 };" \
    "void f(void) { use(&driver); }"
#define DEVICE_TABLE(name) "extern __typeof__(ids) " name " __attribute__((unused, alias(\"ids\")));"

const DiffCase diff_cases[] = {
    { "moved-lines", COMMON "int f(int x) { return print(\"a %d\", x); }",
      COMMON "\n\n\nint f(int x) { return print(\"a %d\", x); }", "" },
    { "string", COMMON "int f(void) { return print(\"a\"); } int g(void) { return print(\"b\"); }",
      COMMON "int f(void) { return print(\"A\"); } int g(void) { return print(\"b\"); }", "changed f" },
    { "string-pool-order", COMMON "int f(void) { return print(\"one\"); } int g(void) { return print(\"two\"); }",
      COMMON "int g(void) { return print(\"two\"); } int f(void) { return print(\"one\"); }", "" },
    { "sizeof-is-no-line", COMMON "int f(void *p) { return print(p, 40); }", COMMON "\nint f(void *p) { return print(p, 41); }",
      "changed f" },
    { "constprop", COMMON "static noinline int h(int x, int y) { return other * x + y; }"
      "int f(int x) { return h(x, 3) + h(x, 3); }",
      COMMON "static noinline int h(int x, int y) { return other * x - y; }"
      "int f(int x) { return h(x, 3) + h(x, 3); }", "changed h.*" },
    { "cold-part", COMMON COLD_PART("cold(1);"), COMMON COLD_PART("cold(2);"), "changed f" },
    { "cold-part-grows", COMMON COLD_PART(""), COMMON COLD_PART("cold(x); use(&other);"), "changed f" },
    { "cold-part-new", COMMON "int f(int x) { return other + x; }", COMMON COLD_PART("cold(2);"), "changed f" },
    { "cold-part-gone", COMMON COLD_PART("cold(1);"), COMMON "int f(int x) { return other + x; }", "changed f" },
    { "static-locals", COMMON "int f(void) { return other; } int g(void) { static int n; return ++n; }"
      "int h(void) { static int n; return n -= 2; }",
      COMMON "int f(void) { static int n; use(&n); return other; } int g(void) { static int n; return ++n; }"
      "int h(void) { static int n; return n -= 2; }", "changed f, new n.*" },
    { "numbered-constants", COMMON "void f(void) { static const char __msg[] = \"one\"; use((void *) __msg); }"
      "void g(void) { static const char __msg[] = \"two\"; use((void *) __msg); }",
      COMMON "void g(void) { static const char __msg[] = \"two\"; use((void *) __msg); }"
      "void f(void) { static const char __msg[] = \"one\"; use((void *) __msg); }", "" },
    { "constants-of-the-same-come", COMMON "void f(void) { static const char __msg[] = \"one\"; use((void *) __msg); }",
      COMMON "void g(void) { static const char __msg[] = \"one\"; use((void *) __msg); }"
      "void f(void) { static const char __msg[] = \"one\"; use((void *) __msg); }", "new __msg.*, new g" },
    { "constants-of-the-same-go", COMMON "void g(void) { static const char __msg[] = \"one\"; use((void *) __msg); }"
      "void f(void) { static const char __msg[] = \"one\"; use((void *) __msg); }",
      COMMON "void f(void) { static const char __msg[] = \"one\"; use((void *) __msg); }", "gone __msg.*, gone g" },
    { "numbers-of-two-digits", COMMON "void f(void) { static const char *const t[] asm(\"t.8\") = { \"one\" }; use((void *) t);"
      "{ static const char *const t[] asm(\"t.9\") = { \"two\" }; use((void *) t); } }",
      COMMON "void f(void) { static const char *const t[] asm(\"t.9\") = { \"one\" }; use((void *) t);"
      "{ static const char *const t[] asm(\"t.10\") = { \"two\" }; use((void *) t); } }", "" },
    { "names-that-are-counted", COMMON "void f(void) { static int x asm(\"__UNIQUE_ID_x12\"); use(&x); }"
      "void g(void) { static int x asm(\"__UNIQUE_ID_y13\"); use(&x); }",
      COMMON "void f(void) { static int x asm(\"__UNIQUE_ID_x7\"); use(&x); } void g(void) { static int x asm(\"__UNIQUE_ID_y8\"); use(&x); }", "" },
    { "no-cold-part", COMMON "int f(int x) { return x + other; } int g(int x) asm(\"f.colder\"); int g(int x) { return x * other; }",
      COMMON "int f(int x) { return x + other; } int g(int x) asm(\"f.colder\"); int g(int x) { return x / other; }", "changed f.*" },
    { "users-gone", COMMON "static inline int once(void) { static int done; return done++; }"
      "int a(void) { return once(); } int b(void) { return once() * 2; } int c(void) { return once() * 3; }"
      "int d(void) { static int done; return done -= 7; }",
      COMMON "static inline int once(void) { static int done; return done++; }"
      "int a(void) { return once(); } int b(void) { return once() * 2; } int e(void) { return once() * 5; }"
      "int d2(void) { static int done; return done -= 9; }", "new d2, new done.*, new e, gone c, gone d, gone done.*" },
    { "alias", COMMON "int f(int x) { return x + other; } int init_module(int) __attribute__((alias(\"f\")));",
      COMMON "int f(int x) { return x - other; } int init_module(int) __attribute__((alias(\"f\")));", "changed f" },
    { "alias-of-a-module", COMMON "int my_start(int x) { return x + other; } int init_module(int) __attribute__((alias(\"my_start\")));"
      "int my_end(int x) { return x + other; } int cleanup_module(int) __attribute__((alias(\"my_end\")));",
      COMMON "int my_start(int x) { return x - other; } int init_module(int) __attribute__((alias(\"my_start\")));"
      "int my_end(int x) { return x - other; } int cleanup_module(int) __attribute__((alias(\"my_end\")));",
      "changed my_end, changed my_start" },
    { "weak", COMMON "__attribute__((weak)) int f(int x) { return x + other; } int g(int x) { return f(x); }",
      COMMON "__attribute__((weak)) int f(int x) { return x - other; } int g(int x) { return f(x); }", "changed f" },
    { "jump-table-same", COMMON SWITCH("f"), COMMON "\n" SWITCH("f"), "" },
    { "jump-table", COMMON SWITCH("f"), COMMON SWITCH("g"), "changed f" },
    { "unpadded-last-entry", COMMON "void f(void) { " PARAVIRT "use(0);" PARAVIRT " }",
      COMMON "void f(void) { " PARAVIRT "use(&other);" PARAVIRT " }", "changed f" },
    { "sanitizer-numbers", COMMON "void f(void) { " SANITIZED("1", "7") " } void g(void) { " SANITIZED("2", "9") " }",
      COMMON "void f(void) { " SANITIZED("2", "7") " } void g(void) { " SANITIZED("1", "9") " }", "" },
    { "sanitizer-place", COMMON "void f(void) { " SANITIZED("1", "7") " }", COMMON "void f(void) { " SANITIZED("1", "8") " }",
      "changed f" },
    { "bug-line", COMMON "void f(void) { " BUG("7") " }", COMMON "void f(void) { " BUG("9") " }", "" },
    { "smp-lock", COMMON "void f(void) { " LOCKED("addl") " }", COMMON "void f(void) { " LOCKED("subl") " }", "changed f" },
    { "callbacks-of-code", COMMON "struct s { void (*a)(void), (*b)(void); }; void x(void) { use(0); } void y(void) { use(&other); }"
      "static const struct s t = { x, y }; void f(void) { use((void *) &t); }",
      COMMON "struct s { void (*a)(void), (*b)(void); }; void x(void) { use(0); } void y(void) { use(&other); }"
      "static const struct s t = { x, x }; void f(void) { use((void *) &t); }", "changed t" },
    { "callbacks-of-code-grow", COMMON "struct s { void (*a)(void), (*b)(void); }; void x(void) { use(0); } void y(void) { use(&other); }"
      "static const struct s t[] = { { x, y } }; void f(void) { use((void *) t); }",
      COMMON "struct s { void (*a)(void), (*b)(void); }; void x(void) { use(0); } void y(void) { use(&other); }"
      "static const struct s t[] = { { x, y }, { y, x } }; void f(void) { use((void *) t); }", "changed f, changed t" },
    { "read-only-table-of-code", COMMON "static const int t[] = { 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5 };"
      "int f(unsigned i) { return t[i]; }",
      COMMON "static const int t[] = { 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 8 };" "int f(unsigned i) { return t[i]; }",
      "changed f, changed t" },
    { "read-only-table-of-objects", COMMON "struct s { const int *t; }; static const int t[] = { 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5 };"
      "void f(struct s *s) { s->t = t; }",
      COMMON "struct s { const int *t; }; static const int t[] = { 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 8 };"
      "void f(struct s *s) { s->t = t; }", "changed t" },
    { "initial-value", "int limit = 3; int f(void) { return limit; }", "int limit = 4; int f(void) { return limit; }",
      "changed limit, data limit" },
    { "size-of-data", "int t[4] = { 1 }; int f(int i) { return t[i]; }", "int t[5] = { 1 }; int f(int i) { return t[i]; }",
      "changed t, size t" },
    { "callback-table", "int a(void); int b(void); int (*const ops[])(void) = { a };",
      "int a(void); int b(void); int (*const ops[])(void) = { b };", "changed ops" },
    { "callback-table-new", COMMON "int a(void); int (*const ops[])(void) = { a };",
      COMMON "static int b(void) { return other; } int (*const ops[])(void) = { b };", "changed ops, new b" },
    { "callback-table-grown", "int a(void); int b(void); int (*const ops[])(void) = { a };",
      "int a(void); int b(void); int (*const ops[])(void) = { a, b };", "changed ops, data ops" },
    { "what-leads-to-a-table", COMMON "int a(void); int b(void); static int (*const ops[])(void) = { a };"
      "int (*const *const way)(void) = ops; int f(void) { return way[0]() + ops[other](); }",
      COMMON "int a(void); int b(void); static int (*const ops[])(void) = { b };"
      "int (*const *const way)(void) = ops; int f(void) { return way[0]() + ops[other](); }", "changed f, changed ops" },
    { "own-initial-value", COMMON "static int limit = 3; int f(void) { return limit++; }",
      COMMON "static int limit = 4; int f(void) { return limit++; }", "changed limit" },
    { "callback-table-told-at-boot", COMMON "int a(void); int b(void); static int (*const ops[])(void) = { a };"
      "in(\".init.text\") void g(void) { use((void *) ops); }",
      COMMON "int a(void); int b(void); static int (*const ops[])(void) = { b };"
      "in(\".init.text\") void g(void) { use((void *) ops); }", "changed ops" },
    { "callback-exchanged", COMMON "int a(void); int b(void) { return 2; } struct { int n; int (*f)(void); } ops = { 1, a };"
      "in(\".init.text\") void boot(void) { use(&ops); }",
      COMMON "int a(void); int b(void) { return 2; } struct { int n; int (*f)(void); } ops = { 1, b };"
      "in(\".init.text\") void boot(void) { use(&ops); }", "changed ops" },
    { "callback-and-number", COMMON "int a(void); int b(void) { return 2; } struct { long n; int (*f)(void); } ops = { 1, a };",
      COMMON "int a(void); int b(void) { return 2; } struct { long n; int (*f)(void); } ops = { 2, b };", "changed ops, data ops" },
    { "callback-where-none-was", COMMON "int b(void) { return 2; } struct { long n; int (*f)(void); } ops = { 1 };",
      COMMON "int b(void) { return 2; } struct { long n; int (*f)(void); } ops = { 1, b };", "changed ops" },
    { "callback-gone", COMMON "int b(void) { return 2; } struct { long n; int (*f)(void); } ops = { 1, b };",
      COMMON "int b(void) { return 2; } struct { long n; int (*f)(void); } ops = { 1 };", "changed ops" },
    { "callback-where-a-number-was", COMMON "int b(void) { return 2; } struct { long n; long f; } ops = { 1, 5 };",
      COMMON "int b(void) { return 2; } struct { long n; long f; } ops = { 1, (long) b };", "changed ops, data ops" },
    { "pointer-exchanged", COMMON "extern int a, b; struct { long n; int *p; } ops = { 1, &a };",
      COMMON "extern int a, b; struct { long n; int *p; } ops = { 1, &b };", "changed ops, data ops" },
    { "datum-without-size", COMMON "struct { } nothing; int f(void) { use(&nothing); return 1; }",
      COMMON "struct { } nothing; int f(void) { use(&nothing); return 2; }", "changed f" },
    { "string-of-table", COMMON "const char *const names[] = { \"one\", \"two\" };",
      COMMON "const char *const names[] = { \"one\", \"zwei\" };", "changed names" },
    { "initial-value-at-boot", COMMON "static int limit = 3; int f(void) { return limit++; }"
      "in(\".init.text\") int g(void) { return print(\"%d\", limit); }",
      COMMON "static int limit = 4; int f(void) { return limit++; }"
      "in(\".init.text\") int g(void) { return print(\"%d\", limit); }", "changed limit, data limit" },
    { "initial-value-read-only-later", COMMON "in(\".data..ro_after_init\") int limit = 3; int f(void) { return limit; }"
      "in(\".init.text\") int g(void) { return ++limit; }",
      COMMON "in(\".data..ro_after_init\") int limit = 4; int f(void) { return limit; }"
      "in(\".init.text\") int g(void) { return ++limit; }", "changed limit" },
    { "initial-value-per-cpu", COMMON "in(\".data..percpu\") int limit = 3; int f(void) { return limit; }",
      COMMON "in(\".data..percpu\") int limit = 4; int f(void) { return limit; }", "changed limit, data limit" },
    { "boot-code", COMMON "in(\".init.text\") int f(int x) { return x + 1; }",
      COMMON "in(\".init.text\") int f(int x) { return x + 2; }", "changed f, init f" },
    { "boot-table", COMMON "int f(void) { return 1; }",
      COMMON "int f(void) { return 1; } in(\"__param\") __attribute__((used)) static const int entry = 3;",
      "new entry, table __param" },
    { "boot-parameter", COMMON "int f(void) { return 1; }",
      COMMON "int f(void) { return 1; } in(\".init.setup\") __attribute__((used)) static const int entry = 3;",
      "new entry, table .init.setup" },
    { "tracepoint", COMMON "int f(void) { return 1; }",
      COMMON "in(\"__tracepoints\") int point; in(\"__tracepoints_ptrs\") __attribute__((used)) static int *const entry = &point;"
      "int f(void) { return point; }", "changed f, new entry, new point" },
    { "runtime-constant", COMMON "int f(void) { return 1; }", COMMON "int f(void) { " RUNTIME_CONSTANT " return 1; }", "changed f" },
    { "runtime-constant-same", COMMON "int f(void) { " RUNTIME_CONSTANT " return 1; }",
      COMMON "int f(void) {\n" RUNTIME_CONSTANT " return 1; }", "" },
    { "callback-no-more", COMMON "struct s { void (*done)(int); }; noinline void f(int x) { use(0); other += x; }"
      "void g(struct s *s) { s->done = f; }",
      COMMON "struct s { void (*done)(int); }; noinline void f(int x) { use(0); } "
      "void h(int x) { f(x); other += x; } void g(struct s *s) { s->done = h; }", "changed f, changed g, new h, function f" },
    { "callback-no-more-beside-a-table", COMMON "struct s { void (*done)(int); }; noinline void f(int x) { use(0); other += x; }"
      "void g(struct s *s) { s->done = f; } void k(int x) { other = x; } void (*const t[])(int) = { k };",
      COMMON "struct s { void (*done)(int); }; noinline void f(int x) { use(0); } void h(int x) { f(x); other += x; } "
      "void g(struct s *s) { s->done = h; } void k(int x) { other = x; } void (*const t[])(int) = { k };",
      "changed f, changed g, new h, function f" },
    { "callback-in-a-table-now", COMMON "struct s { void (*done)(int); }; noinline void f(int x) { use(0); other += x; }"
      "void g(struct s *s) { s->done = f; }",
      COMMON "struct s { void (*done)(int); }; noinline void f(int x) { use(0); } void h(int x) { f(x); other += x; } "
      "static void (*const t[])(int) = { f, h }; void g(struct s *s) { s->done = t[other]; }",
      "changed f, changed g, new h, new t" },
    { "callback-after-a-fault-no-more", COMMON "struct s { void (*done)(int); }; noinline void f(int x) { use(0); other += x; }"
      "void g(struct s *s) { void (*c)(int) = f; asm goto(\"1: movl (%0), %%eax\\n.pushsection __ex_table, \\\"a\\\"\\n"
      ".long 1b - ., %l[fault] - ., 0\\n.popsection\" : : \"r\"(s), \"r\"(c) : \"eax\", \"memory\" : fault); return; fault: s->done = c; }",
      COMMON "struct s { void (*done)(int); }; noinline void f(int x) { use(0); } "
      "void h(int x) { f(x); other += x; } void g(struct s *s) { s->done = h; }", "changed f, changed g, new h, function f" },
    { "callback-only-compared-now", COMMON "struct s { void (*done)(int); }; noinline void f(int x) { use(0); other += x; }"
      "void g(struct s *s) { s->done = f; }",
      COMMON "struct s { void (*done)(int); }; noinline void f(int x) { use(0); } void h(int x) { f(x); other += x; }"
      "void g(struct s *s) { if (s->done != f) s->done = h; }", "changed f, changed g, new h, function f" },
    { "callback-of-a-call", COMMON "void sort(void *, long, long, int (*)(const void *, const void *), void *);"
      "int f(const void *a, const void *b) { use(0); return other; } void g(void *p) { sort(p, 3, 8, f, 0); use(p); }",
      COMMON "noinline int f(const void *a, const void *b) { use(0); return other - 1; } void g(void *p) { if (f(p, p)) use(p); }",
      "changed f, changed g" },
    { "callback-of-an-unknown-call", COMMON "void keep(void *, int (*)(const void *, const void *));"
      "int f(const void *a, const void *b) { use(0); return other; } void g(void *p) { keep(p, f); use(p); }",
      COMMON "noinline int f(const void *a, const void *b) { use(0); return other - 1; } void g(void *p) { if (f(p, p)) use(p); }",
      "changed f, changed g, function f" },
    { "callback-only-compared", COMMON "struct s { void (*done)(int); }; noinline void f(int x) { use(0); other += x; }"
      "int g(struct s *s) { return s->done == f; }",
      COMMON "struct s { void (*done)(int); }; noinline void f(int x) { use(0); } int g(struct s *s) { f(1); return 0; }",
      "changed f, changed g" },
    { "callback-as-before", COMMON "struct s { void (*done)(int); }; noinline void f(int x) { use(0); other += x; }"
      "void g(struct s *s) { s->done = f; }",
      COMMON "struct s { void (*done)(int); }; noinline void f(int x) { use(0); other -= x; }"
      "void g(struct s *s) { f(1); s->done = f; }", "changed f, changed g" },
    { "callback-left-alone", COMMON "struct s { void (*done)(int); }; noinline void f(int x) { use(0); other += x; }"
      "void g(struct s *s) { s->done = f; }",
      COMMON "struct s { void (*done)(int); }; noinline void f(int x) { use(0); other += x; }"
      "void h(int x) { f(x); other -= x; } void g(struct s *s) { s->done = h; }", "changed g, new h" },
    { "traced-no-more", COMMON "void f(void) { " TRACED " use(0); }", COMMON "void f(void) { use(0); }", "changed f, function f" },
    { "traced-now", COMMON "void f(void) { use(0); }", COMMON "void f(void) { " TRACED " use(0); }", "changed f" },
    { "traced-as-before", COMMON "void f(void) { " TRACED " use(0); }", COMMON "void f(void) { " TRACED " use(&other); }", "changed f" },
    { "becomes-seldom-used", COMMON "void f(void) { use(0); }", COMMON "__attribute__((cold)) void f(void) { use(0); }", "" },
    { "other-home", COMMON "int f(int x) { return x + other; }",
      COMMON "in(\".cpuidle.text\") int f(int x) { return x + other; }", "function f" },
    { "too-short", COMMON SHORT("2", "xorl %eax, %eax"), COMMON SHORT("2", "xorl %ecx, %ecx"), "changed f, function f" },
    { "long-enough", COMMON SHORT("3", "xorl %eax, %eax"), COMMON SHORT("3", "xorl %ecx, %ecx"), "changed f" },
    { "interrupt-entry-code", COMMON "in(\".entry.text\") int f(int x) { return x + other; }",
      COMMON "in(\".entry.text\") int f(int x) { return x - other; }", "changed f, function f" },
    { "entry-code", COMMON "in(\".noinstr.text\") int f(int x) { return x + other; }",
      COMMON "in(\".noinstr.text\") int f(int x) { return x - other; }", "changed f, function f" },
    { "always-sleeps", COMMON "int __schedule(int x) { return x + other; }", COMMON "int __schedule(int x) { return x - other; }",
      "changed __schedule, function __schedule" },
    { "always-sleeps-within-the-file", COMMON "static noinline int do_idle(int x) { return x + other; } int g(int x) { return do_idle(x) * 3; }",
      COMMON "static noinline int do_idle(int x) { return x - other; } int g(int x) { return do_idle(x) * 3; }",
      "changed do_idle, function do_idle" },
    { "layout", COMMON "struct s { int a; long b; }; int f(struct s *s) { return s->a; }",
      COMMON "struct s { int a; long n; long b; }; int f(struct s *s) { return s->a; }", "layout struct s" },
    { "layout-renamed", COMMON "struct s { int a; long b; char c; }; int f(struct s *s) { return s->a; }",
      COMMON "struct t { int a; long n; long b; char c; }; int f(struct t *s) { return s->a; }", "layout struct s" },
    { "members-renamed", COMMON "struct s { int a; long b; char c; }; int f(struct s *s) { return s->a; }",
      COMMON "struct t { int a; long b; char c, d; }; int f(struct t *s) { return s->a; }", "members struct s" },
    { "renamed-only", COMMON "struct s { int a; long b; char c; }; int f(struct s *s) { return s->a; }",
      COMMON "struct t { int a; long b; char c; }; int f(struct t *s) { return s->a; }", "" },
    { "unlike-types", COMMON "struct s { int a; long b; char c; }; int f(struct s *s) { return s->a; }",
      COMMON "struct t { int a; long x; char y; }; int f(struct t *s) { return s->a; }", "" },
    { "layout-within", COMMON "struct i { int a; }; struct s { struct i i; int b; }; int f(struct s *s) { return s->b; }",
      COMMON "struct i { int a, n; }; struct s { struct i i; int b; }; int f(struct s *s) { return s->b; }",
      "changed f, layout struct i, layout struct s" },
    { "padding-member", COMMON "struct s { int a; long b; }; int f(struct s *s) { return s->a; }",
      COMMON "struct s { int a; int n; long b; }; int f(struct s *s) { return s->a; }", "members struct s" },
    { "bit-field", COMMON "struct s { unsigned a:3, b:4; }; int f(struct s *s) { return s->a; }",
      COMMON "struct s { unsigned a:3, n:1, b:4; }; int f(struct s *s) { return s->a; }", "layout struct s" },
    { "same-number", COMMON "struct s { unsigned long a; }; int f(struct s *s) { return s->a; }",
      COMMON "typedef unsigned long long u64; struct s { u64 a; }; int f(struct s *s) { return s->a; }", "" },
    { "number-within-a-structure", COMMON "struct s { int users; long b; }; int f(struct s *s) { return s->b; }",
      COMMON "typedef struct { int counter; } atomic_t; typedef struct { atomic_t refs; } refcount_t; "
      "struct s { refcount_t users; long b; }; int f(struct s *s) { return s->b; }", "" },
    { "bits-within-a-structure", COMMON "struct s { int users; long b; }; int f(struct s *s) { return s->b; }",
      COMMON "struct s { struct { int x : 3; } users; long b; }; int f(struct s *s) { return s->b; }", "members struct s" },
    { "less-within-a-structure", COMMON "struct s { int users; long b; }; int f(struct s *s) { return s->b; }",
      COMMON "struct s { struct { short x; } users __attribute__((aligned(4))); long b; }; int f(struct s *s) { return s->b; }",
      "layout struct s" },
    { "nameless-union-within", COMMON "struct s { union { int a; short b; } u; }; int f(struct s *s) { return s->u.a; }",
      COMMON "struct s { union { int a; char *b; } u; }; int f(struct s *s) { return s->u.a; }", "layout struct s" },
    { "qualifiers", COMMON "struct s { int a; int *b; }; int f(struct s *s) { return 1; }",
      COMMON "struct s { volatile int a; int *restrict b; }; int f(struct s *s) { return 1; }", "" },
    { "number-within-two", COMMON "struct s { long users; long b; }; int f(struct s *s) { return s->b; }",
      COMMON "struct s { struct { int a, b; } users; long b; }; int f(struct s *s) { return s->b; }", "members struct s" },
    { "pointer-to-constant", COMMON "struct s { char *a; char *const b; }; char *f(struct s *s) { return s->b; }",
      COMMON "struct s { const char *a; char *b; }; char *f(struct s *s) { return s->b; }", "" },
    { "pointer-to-another", COMMON "struct s { char *a; }; void *f(struct s *s) { return s->a; }",
      COMMON "struct s { long *a; }; void *f(struct s *s) { return s->a; }", "members struct s" },
    { "number-gone", COMMON "struct s { long a; char b; char c; }; int f(struct s *s) { return s->a; }",
      COMMON "struct s { long a; char b; }; int f(struct s *s) { return s->a; }", "" },
    { "counter-gone", COMMON "typedef struct { int counter; } atomic_t; struct s { long a; char b; atomic_t c; }; int f(struct s *s) { return s->a; }",
      COMMON "struct s { long a; char b; }; int f(struct s *s) { return s->a; }", "members struct s" },
    { "number-gone-another-new", COMMON "struct s { long a; char b; char c; }; int f(struct s *s) { return s->a; }",
      COMMON "struct s { long a; char b; char d; }; int f(struct s *s) { return s->a; }", "members struct s" },
    { "number-gone-rest-moves", COMMON "struct s { char a; char b; char c; }; int f(struct s *s) { return s->a; }",
      COMMON "struct s { char a; char c; }; int f(struct s *s) { return s->a; }", "layout struct s" },
    { "nameless-structure-within", COMMON "struct s { struct { int a, b; } in; long c; }; int f(struct s *s) { return s->in.a; }",
      COMMON "struct s { struct { int b, a; } in; long c; }; int f(struct s *s) { return s->in.a; }", "changed f, layout struct s" },
    { "nameless-structures-in-an-array", COMMON "struct s { struct { int a, b; } in[4]; }; int f(struct s *s) { return s->in[1].a; }",
      COMMON "struct s { struct { int b, a; } in[4]; }; int f(struct s *s) { return s->in[1].a; }", "changed f, layout struct s" },
    { "nameless-structure-pointed-to", COMMON "struct s { struct { int a, b; } *in; }; int f(struct s *s) { return s->in->a; }",
      COMMON "struct s { struct { int b, a; } *in; }; int f(struct s *s) { return s->in->a; }", "changed f, layout struct s" },
    { "variable-of-a-nameless-structure", COMMON "static struct { int a, b; } v; int f(void) { use(&v); v.b++; return v.a++; }",
      COMMON "static struct { int b, a; } v; int f(void) { use(&v); v.b++; return v.a++; }", "changed f, layout v" },
    { "variables-of-a-nameless-structure", COMMON "static struct { int a, b; } v[2]; int f(void) { use(&v); v[1].b++; return v[1].a++; }",
      COMMON "static struct { int b, a; } v[2]; int f(void) { use(&v); v[1].b++; return v[1].a++; }", "changed f, layout v" },
    { "local-of-a-nameless-structure", COMMON "int f(void) { struct { int a, b; } v; use(&v); return v.a; }",
      COMMON "int f(void) { struct { int b, a; } v; use(&v); return v.a; }", "changed f" },
    { "variable-pointer-to-another", COMMON "struct s { int a; }; static struct s *v; int f(void) { use(&v); return v->a; }",
      COMMON "struct t { int b, a; }; static struct t *v; int f(void) { use(&v); return v->a; }", "changed f, members v" },
    { "variable-number-of-another-name", COMMON "int v; static unsigned w; int f(void) { use(&v); use(&w); return 1; }",
      COMMON "unsigned v; static int w; int f(void) { use(&v); use(&w); return 1; }", "" },
    { "big-endian-number", COMMON "struct s { unsigned a; }; int f(struct s *s) { return s->a; }",
      COMMON "typedef unsigned __be32; struct s { __be32 a; }; int f(struct s *s) { return s->a; }", "members struct s" },
    { "another-enumeration", COMMON "enum d { ONE, TWO }; struct s { enum d a; }; int f(struct s *s) { return s->a == TWO; }",
      COMMON "enum e { TWO, ONE }; struct s { enum e a; }; int f(struct s *s) { return s->a == TWO; }", "changed f, members struct s" },
    { "number-becomes-enumeration", COMMON "struct s { int a; }; int f(struct s *s) { return s->a; }",
      COMMON "enum e { TWO, ONE }; struct s { enum e a; }; int f(struct s *s) { return s->a; }", "" },
    { "constant-in-the-place-of-another", COMMON "enum e { A, B, C, E_MAX }; int f(enum e e) { return e == B; }",
      COMMON "enum e { A, D, C, E_MAX }; int f(enum e e) { return e == D; }", "members enum e" },
    { "constant-gone", COMMON "enum e { A, B, C }; int f(enum e e) { return e == A; }",
      COMMON "enum e { A, C = 2 }; int f(enum e e) { return e == A; }", "" },
    { "member-by-another-name", COMMON "struct s { char *a; }; void *f(struct s *s) { return s->a; }",
      COMMON "struct s { union { char *a; char *const b; }; }; void *f(struct s *s) { return s->b; }", "" },
    { "member-by-another-type", COMMON "struct s { char *a; }; void *f(struct s *s) { return s->a; }",
      COMMON "struct s { union { char *a; long *b; }; }; void *f(struct s *s) { return s->b; }", "members struct s" },
    { "variable-by-another-name", COMMON "static int was; int f(void) { use(&was); return was++; }",
      COMMON "static int is; int f(void) { use(&is); return is++; }", "changed f, new is, gone was, data was" },
    { "variable-out-of-a-function", COMMON "int f(void) { static int n; use(&n); return n++; }",
      COMMON "static int n; int f(void) { use(&n); return n++; }", "" },
    { "variable-gone-other-new", COMMON "static int was; int f(void) { use(&was); return was++; }",
      COMMON "static char *is; int f(void) { use(&is); return 1; }", "changed f, new is, gone was" },
    { "variable-gone-another-functions-new", COMMON "static int was; int f(void) { use(&was); return was++; } int g(void) { return other; }",
      COMMON "static int is; int f(void) { return other; } int g(void) { use(&is); return is++; }",
      "changed f, changed g, new is, gone was" },
    { "variable-of-a-function-gone-another-functions-new", COMMON "int f(void) { static int n; use(&n); return n++; } int g(void) { return other; }",
      COMMON "static int n; int f(void) { return other; } int g(void) { use(&n); return n++; }",
      "changed f, changed g, new n, gone n.*" },
    { "variable-out-of-a-function-that-has-two", COMMON "int f(int x) { if (x) { static int n; use(&n); } { static int n; use(&n); } return other; }",
      COMMON "static int n; int f(int x) { if (x) use(&n); use(&n); return other; }",
      "changed f, new n, gone n.*, gone n.*, data n" },
    { "variable-becomes-one-of-each-function", COMMON "static int n; int f(void) { use(&n); return other; } int g(void) { use(&n); return 1; }",
      COMMON "int f(void) { static int n; use(&n); return other; } int g(void) { static int n; use(&n); return 1; }",
      "changed f, changed g, new n.*, new n.*, gone n, data n" },
    { "boot-data", COMMON "in(\".init.data\") static int v[] = { 1, 2 }; in(\".init.text\") int g(void) { use(v); return v[0]; }",
      COMMON "in(\".init.data\") static int v[] = { 1, 3 }; in(\".init.text\") int g(void) { use(v); return v[0]; }",
      "changed v, init v" },
    { "callback-called-in-another-way", COMMON "struct s { int (*f)(int); }; int f(struct s *s) { return s->f(1); }",
      COMMON "struct s { void (*f)(int); }; int f(struct s *s) { s->f(1); return 0; }", "changed f" },
    { "callback-that-modules-know",
      COMMON "\n# 1 \"include/linux/x.h\"\nstruct s { int (*f)(int); };\n# 1 \"x.c\"\nint f(struct s *s) { return s->f(1); }",
      COMMON "\n# 1 \"include/linux/x.h\"\nstruct s { void (*f)(int); };\n# 1 \"x.c\"\nint f(struct s *s) { s->f(1); return 0; }",
      "changed f, export struct s" },
    { "callback-by-another-name",
      COMMON "\n# 1 \"include/linux/x.h\"\nstruct s { int (*f)(unsigned long, char *); };\n# 1 \"x.c\"\nint f(struct s *s) { return s->f(1, 0); }",
      COMMON "\n# 1 \"include/linux/x.h\"\nstruct s { unsigned (*f)(unsigned long long, const char *); };\n# 1 \"x.c\"\n"
      "int f(struct s *s) { return s->f(1, 0); }", "" },
    { "zero-length-array", COMMON "struct s { int a; char b[0]; }; int f(struct s *s) { return s->b[1]; }",
      COMMON "struct s { int a; char b[]; }; int f(struct s *s) { return s->b[1]; }", "" },
    { "one-member-in-place-of-what-it-is", COMMON "typedef struct { void *p; } raw; struct s { raw a; }; void *f(struct s *s) { return s->a.p; }",
      COMMON "typedef struct { void *p; } raw; typedef struct { union { raw r; }; } wrapped; struct s { wrapped a; };"
      "void *f(struct s *s) { return s->a.r.p; }", "" },
    { "bytes-of-another-sign", COMMON "struct s { unsigned char a[6]; }; int f(struct s *s) { return s->a[1] == 3; }",
      COMMON "struct s { char a[6]; }; int f(struct s *s) { return s->a[1] == 3; }", "" },
    { "pointer-gone", COMMON "union u { void *a; long b; }; int f(union u *u) { return u->b; }",
      COMMON "union u { long b; }; int f(union u *u) { return u->b; }", "members union u" },
    { "anonymous-member", COMMON "struct s { int a; union { int b; long c; }; }; long f(struct s *s) { return s->a; }",
      COMMON "struct s { int a; int d; long e; union { int b; long c; }; }; long f(struct s *s) { return s->a; }",
      "layout struct s" },
    { "enumeration", COMMON "enum e { A, B, MAX }; int f(enum e e) { return e; }",
      COMMON "enum e { N, A, B, MAX }; int f(enum e e) { return e; }", "members enum e" },
    { "enumeration-count", COMMON "enum e { A, B, E_MAX }; int f(enum e e) { return e; }",
      COMMON "enum e { A, B, N, E_MAX }; int f(enum e e) { return e; }", "" },
    { "enumeration-last-state", COMMON "enum e { NEW, GONE }; int f(enum e e) { return e; }",
      COMMON "enum e { NEW, GOING, GONE }; int f(enum e e) { return e; }", "members enum e" },
    { "enumeration-without-name", COMMON "enum { OTHER = 5 }; enum { NEW, GONE }; int f(int e) { return other ? OTHER : NEW; }",
      COMMON "enum { FIRST = 5 }; enum { OTHER = 5 }; enum { NEW, GOING, GONE }; int f(int e) { return other ? OTHER : NEW; }",
      "members enum" },
    { "enumerations-of-two-functions", COMMON "int f(int e) { enum { NEW, GONE }; return e == GONE; } "
      "int g(int e) { enum { OLD, NEW, GONE }; return e == GONE; }", COMMON "int f(int e) { enum { NEW, GONE }; return e == GONE; } "
      "int g(int e) { enum { OLD, NEW, GONE }; return e != GONE; }", "changed g" },
    { "enumeration-without-name-count", COMMON "enum { NEW, OLD, NUM_OF_THEM }; int f(int e) { return NEW; }",
      COMMON "enum { NEW, OLD, GONE, NUM_OF_THEM }; int f(int e) { return NEW; }", "" },
    { "exported-signature", COMMON "int f(int x) { return x; }" EXPORT("f"), COMMON "int f(int x, int y) { return x; }" EXPORT("f"),
      "export f" },
    { "exported-signature-by-another-name", COMMON "long f(long x, char *s) { return x; }" EXPORT("f"),
      COMMON "typedef unsigned long long u64; u64 f(u64 x, const char *s) { return x; }" EXPORT("f"), "" },
    { "exported-signature-extended", COMMON "int f(signed char x) { return other; }" EXPORT("f"),
      COMMON "int f(unsigned char x) { return other; }" EXPORT("f"), "export f" },
    { "static-signature", COMMON "int f(int x) { return x; }", COMMON "int f(int x, int y) { return x; }", "" },
    { "new-per-cpu", COMMON "int f(int x) { return x; }",
      COMMON "in(\".data..percpu\") int counter; int f(int x) { return counter + x; }", "changed f, new counter, code f" },
    { "statics-renumbered", COMMON "int g(void) { return other; }"
      "int f(int x) { if (x) { static int n; use(&n); } { static int n; use(&n); } return other; }",
      COMMON "int g(void) { static int n; use(&n); return other; }"
      "int f(int x) { if (x) { static int n; use(&n); } { static int n; use(&n); } return other; }", "changed g, new n.*" },
    { "once-flags", COMMON "int f(int x) { { in(\".data.once\") static int done; use(&done); } return other; }",
      COMMON "int f(int x) { { in(\".data.once\") static int done; use(&done); } if (x) { in(\".data.once\") static int done; "
      "use(&done); } return other; }", "changed f, new done.*, new done.*, gone done.*" },
    { "once-flags-of-later-kernels", COMMON "int f(int x) { { in(\".data..once\") static int done; use(&done); } return other; }",
      COMMON "int f(int x) { { in(\".data..once\") static int done; use(&done); } if (x) { in(\".data..once\") static int done; "
      "use(&done); } return other; }", "changed f, new done.*, new done.*, gone done.*" },
    { "rate-limits", COMMON "int f(int x) { { static int _rs; use(&_rs); } return other; }",
      COMMON "int f(int x) { { static int _rs; use(&_rs); } if (x) { static int _rs; use(&_rs); } return other; }",
      "changed f, new _rs.*, new _rs.*, gone _rs.*" },
    { "once-flag-of-later-kernels", COMMON "int f(int x) { return other; }",
      COMMON "int f(int x) { if (x) { in(\".data..once\") static int done; use(&done); } return other; }", "changed f, new done.*" },
    { "descriptors", COMMON "int f(int x) { { in(\"__dyndbg\") static int d; use(&d); } { in(\"__dyndbg\") static int d; use(&d); } "
      "return x; }",
      COMMON "int f(int x) { { in(\"__dyndbg\") static int d; use(&d); } { in(\"__dyndbg\") static int d; use(&d); } return x + other; }",
      "changed f" },
    { "users-change", COMMON "static inline void once(int x) { static int n; n += x; } static inline void twice(int x) { static int n; n -= x; }"
      "void a(void) { once(1); } void b(void) { once(2); } void c(void) { once(3); } void d(void) { twice(4); } void e(void) { twice(5); }",
      COMMON "static inline void once(int x) { static int n; n += x; } static inline void twice(int x) { static int n; n -= x; }"
      "void d(void) { twice(6); } void a(void) { once(7); } void b(void) { once(8); }",
      "changed a, changed b, changed d, gone c, gone e" },
    { "constants-of-one-user", COMMON "void f(void) { { static const char __msg[] = \"one\"; use((void *) __msg); } "
      "{ static const char __msg[] = \"two\"; use((void *) __msg); } }",
      COMMON "void f(void) { { static const char __msg[] = \"nil\"; use((void *) __msg); } { static const char __msg[] = \"one\"; "
      "use((void *) __msg); } { static const char __msg[] = \"two\"; use((void *) __msg); } }", "changed f, new __msg.*" },
    { "call-within-section", COMMON "in(\".text.x\") static noinline int g(int x) { return x * other; } in(\".text.x\") int f(int x) "
      "{ return g(x) + 1; }",
      COMMON "in(\".text.x\") static noinline int g(int x) { return x * other; } in(\".text.x\") int k(int x) { return x ^ other; } "
      "in(\".text.x\") int f(int x) { return g(x) + 1; }", "new k" },
    { "calls-within-section", COMMON "int a(int); int b(int); in(\".text.x\") noinline int a(int x) { return x * other; }"
      "in(\".text.x\") int f(int x) { return a(x) + 1 + b(x); } in(\".text.x\") noinline int b(int x) { return x - other; }",
      COMMON "int a(int); int b(int); in(\".text.x\") noinline int a(int x) { return x * other; } in(\".text.x\") int k(int x) { return x ^ other; }"
      "in(\".text.x\") int f(int x) { return a(x) + 1 + b(x); } in(\".text.x\") int l(int x) { return x ^ other; }"
      "in(\".text.x\") noinline int b(int x) { return x - other; }", "new k, new l" },
    { "jumps-within-section", COMMON "int a(int); int b(int); in(\".text.x\") noinline int a(int x) { return x * other; } " FAR("p")
      "in(\".text.x\") int f(int x) { return x > 3 ? a(x) : b(x); }" FAR("q") "in(\".text.x\") noinline int b(int x) { return x - other; }",
      COMMON "int a(int); int b(int); in(\".text.x\") noinline int a(int x) { return x * other; } " FAR("p") FAR("k")
      "in(\".text.x\") int f(int x) { return x > 3 ? a(x) : b(x); }" FAR("q") FAR("l") "in(\".text.x\") noinline int b(int x) { return x - other; }",
      "new k, new l" },
    { "short-jump-out-of-a-function", COMMON SHORT_JUMP("xorl %eax, %eax"), COMMON SHORT_JUMP("xorl %ecx, %ecx"), "changed f, code f" },
    { "absolute-symbol", COMMON "asm(\"number = 5\"); int f(void) { asm volatile(\"movl $number, %eax\"); return 1; }",
      COMMON "asm(\"number = 6\"); int f(void) { asm volatile(\"movl $number, %eax\"); return 1; }", "changed f" },
    { "static-key", COMMON "extern int key, key2; void f(void) { " KEY("key") " }",
      COMMON "extern int key, key2; void f(void) { " KEY("key2") " }", "changed f" },
    { "static-keys-of-two-functions", COMMON "extern int key, key2; void f(void) { " KEY("key") " use(0); " KEY("key") " } "
      "void g(void) { use(0); " KEY("key") " }",
      COMMON "extern int key, key2; void f(void) { " KEY("key") " use(0); " KEY("key2") " } void g(void) { use(0); " KEY("key") " }",
      "changed f" },
    { "kinds-in-both-orders", COMMON "extern int key, key2; void f(void) { " KEY("key") " use(0); " FAULTS("other") " } "
      "void g(void) { " FAULTS("other") " use(0); " KEY("key") " }",
      COMMON "extern int key, key2; void f(void) { " KEY("key2") " use(0); " FAULTS("other") " } "
      "void g(void) { " FAULTS("other") " use(0); " KEY("key2") " }", "changed f, changed g" },
    { "alternative", COMMON "void f(void) { " ALTERNATIVE("xorl %ecx, %ecx") " }", COMMON "void f(void) { " ALTERNATIVE("xorl %ebx, %ebx") " }",
      "changed f" },
    { "alternatives-order", COMMON "void f(void) { " ALTERNATIVE("xorl %ecx, %ecx") " } void g(void) { " ALTERNATIVE("xorl %ebx, %ebx") " }",
      COMMON "void g(void) { " ALTERNATIVE("xorl %ebx, %ebx") " } void f(void) { " ALTERNATIVE("xorl %ecx, %ecx") " }", "" },
    { "feature-before-boot", COMMON "void f(void) { " BEFORE_BOOT " }", COMMON "void g(void) { " BEFORE_BOOT " } void f(void) { " BEFORE_BOOT " }",
      "new g" },
    { "exception", COMMON "void f(void) { " FAULTS("other") " }", COMMON "void f(void) { " FAULTS("other + 4") " }", "changed f" },
    /* What must not be taken for the same, or for each other. */
    { "static-of-another-user", COMMON "int f(void) { static int n; return ++n; } int g(void) { return other; }",
      COMMON "int f(void) { return other + 1; } int g(void) { static int n; return ++n + other; }",
      "changed f, changed g, new n.*, gone n.*, code g" },
    { "statics-of-one-user-exchanged", COMMON "void f(void) { { static int n; print(\"\", &n, 1); } { static int n; print(\"\", &n, 2); } }",
      COMMON "void f(void) { { static int n; print(\"\", &n, 2); } { static int n; print(\"\", &n, 1); } }",
      "changed f, new n.*, new n.*, gone n.*, gone n.*, code f" },
    { "static-by-another-name", COMMON "int f(void) { static int was; use(&was); return was++; }",
      COMMON "int f(void) { static int is; use(&is); return is++; }", "changed f, new is.*, gone was.*, data was" },
    { "static-of-two-becomes-one-of-each", COMMON "static inline void once(void) { static int n; use(&n); } void f(void) { once(); }"
      "void g(void) { once(); } int k(void) { static int n; return ++n; }",
      COMMON "void f(void) { static int n; use(&n); } void g(void) { static int n; use(&n); } int k(void) { return other; }",
      "changed g, changed k, new n.*, gone n.*, code g" },
    { "statics-of-two-become-one", COMMON "void f(void) { static int n; use(&n); } void g(void) { static int n; use(&n); } int k(void) { return other; }",
      COMMON "static inline void once(void) { static int n; use(&n); } void f(void) { once(); }"
      "void g(void) { once(); } int k(void) { static int n; return ++n; }",
      "changed g, changed k, new n.*, gone n.*, code k" },
    { "static-gets-local", COMMON "static int n; int f(void) { use(&n); return other; }",
      COMMON "int f(void) { static int n; use(&n); return other; }", "" },
    { "statics-of-one-user", COMMON "int f(int x) { if (x) { static int n; use(&n); } { static int n; use(&n); } return other; }",
      COMMON "int f(int x) { { static int n; use(&n); } if (!x) { static int n; use(&n); } return other; }",
      "changed f, new n.*, new n.*, gone n.*, gone n.*, code f" },
    { "becomes-per-cpu", COMMON "static int n; int f(void) { return ++n; }",
      COMMON "in(\".data..percpu\") static int n; int f(void) { n += 2; return n; }", "changed f, data n" },
    { "becomes-writable", COMMON "int f(void); const int n = 0; int f(void) { use((void *) &n); return other; }",
      COMMON "int n = 0; int f(void) { n = 3; use(&n); return other; }", "changed f, data n" },
    { "becomes-constant", COMMON "static int n[] = { 1, 2 }; int f(int i) { use(n); return n[i]; }",
      COMMON "static const int n[] = { 1, 2 }; int f(int i) { use((void *) n); return n[i]; }", "" },
    { "becomes-boot-data", COMMON "int n = 1; int f(void) { return other + n; }",
      COMMON "in(\".init.data\") int n = 1; int f(void) { return other; }", "changed f" },
    { "becomes-read-only-after-boot", COMMON "int n = 1; int f(void) { return n; }",
      COMMON "in(\".data..ro_after_init\") int n = 1; int f(void) { return n; }", "" },
    { "boot-data-becomes-read-only-after-boot", COMMON "in(\".init.data\") int n = 1; int f(void) { return other; }",
      COMMON "in(\".data..ro_after_init\") int n = 1; int f(void) { return other + n; }", "changed f, data n" },
    { "per-cpu-becomes-read-only-after-boot", COMMON "in(\".data..percpu\") int n = 1; int f(void) { use(&n); return other; }",
      COMMON "in(\".data..ro_after_init\") int n = 1; int f(void) { use(&n); return other + 1; }", "changed f, data n" },
    { "no-longer-ro-after-init", COMMON "in(\".data..ro_after_init\") int n = 1; int f(void) { return n; }",
      COMMON "int n = 1; int f(void) { return ++n; }", "changed f, data n" },
    { "no-longer-boot-data", COMMON "in(\".init.data\") int n = 1; int f(void) { return other; }",
      COMMON "int n = 1; int f(void) { return other + n; }", "changed f, data n" },
    { "no-longer-boot-code", COMMON "noinline in(\".init.text\") int f(int x) { return x + other; } int g(int x) { return x; }",
      COMMON "noinline int f(int x) { return x + other; } int g(int x) { return f(x); }", "changed g, new f, gone f" },
    { "becomes-boot-code", COMMON "int f(int x) { return x + other; }", COMMON "in(\".init.text\") int f(int x) { return x + other; }",
      "new f, gone f" },
    { "device-table", COMMON DRIVER(""), COMMON DRIVER(DEVICE_TABLE("__mod_pci__ids_device_table")), "" },
    { "device-table-since-6.14", COMMON DRIVER(""), COMMON DRIVER(DEVICE_TABLE("__mod_device_table__kmod_a__pci__ids")), "" },
    { "alias-of-another", COMMON "int f(int x) { return x + other; } int g(int x) { return x - other; }"
      "int h(int) __attribute__((alias(\"f\")));",
      COMMON "int f(int x) { return x + other; } int g(int x) { return x - other; }"
      "int h(int) __attribute__((alias(\"g\")));", "function h" },
    { "function-becomes-an-alias", COMMON "int f(int x) { return x + other; } int h(int x) { return x - other; }",
      COMMON "int f(int x) { return x + other; } int h(int) __attribute__((alias(\"f\")));", "gone h, function h" },
    { "function-becomes-an-alias-of-the-same", COMMON "int f(int x) { return x - other; } int h(int x) { return x + other; }",
      COMMON "int f(int x) { return x + other; } int h(int) __attribute__((alias(\"f\")));", "changed f, gone h" },
    { "alias-becomes-a-function", COMMON "int f(int x) { return x + other; } int h(int) __attribute__((alias(\"f\")));",
      COMMON "int f(int x) { return x + other; } int h(int x) { return x - other; }", "new h, function h" },
    { "nameless-code", COMMON "asm(\".text; xorl %eax, %eax; jmp other\");",
      COMMON "asm(\".text; xorl %ecx, %ecx; jmp other\");", "function .text" },
    { "nameless-table", COMMON "int f(void) { return 1; } int g(void) { return 2; } asm(\".pushsection __table, \\\"a\\\"; .quad f; .popsection\");",
      COMMON "int f(void) { return 1; } int g(void) { return 2; } asm(\".pushsection __table, \\\"a\\\"; .quad g; .popsection\");", "table __table" },
    { "nameless-code-as-before", COMMON "asm(\".text; xorl %eax, %eax; jmp other\");",
      COMMON "\nasm(\".text; xorl %eax, %eax; jmp other\");", "" },
    { "nameless-code-new", COMMON "int f(void) { return 1; }",
      COMMON "int f(void) { return 1; } asm(\".text; xorl %eax, %eax; jmp other\");", "function .text" },
    { "nameless-code-gone", COMMON "int f(void) { return 1; } asm(\".text; xorl %eax, %eax; jmp other\");",
      COMMON "int f(void) { return 1; }", "function .text" },
    { "nameless-code-elsewhere", COMMON "asm(\".pushsection .text.x, \\\"ax\\\"; xorl %eax, %eax; jmp other; .popsection\");",
      COMMON "asm(\".pushsection .text.y, \\\"ax\\\"; xorl %eax, %eax; jmp other; .popsection\");", "function .text.y" },
    { "nameless-code-at-boot", COMMON "asm(\".pushsection .init.text, \\\"ax\\\"; xorl %eax, %eax; jmp other; .popsection\");",
      COMMON "asm(\".pushsection .init.text, \\\"ax\\\"; xorl %ecx, %ecx; jmp other; .popsection\");", "" },
    { "nameless-code-after-a-fault", COMMON "int f(void) { " FIXED_UP("1") " return other; }",
      COMMON "int f(void) { " FIXED_UP("2") " return other; }", "changed f, code f" },
    { "nameless-code-before-padding", COMMON "asm(\".text; xorl %eax, %eax; jmp other; nop\");",
      COMMON "asm(\".text; xorl %ecx, %ecx; jmp other; nop\");", "function .text" },
    { "nameless-code-before-a-function", COMMON BEFORE_FUNCTION("xorl %eax, %eax"), COMMON BEFORE_FUNCTION("xorl %ecx, %ecx"),
      "function .text.x" },
    { "nameless-table-as-before", COMMON TABLE(".quad 1"), COMMON "\n" TABLE(".quad 1"), "" },
    { "nameless-table-grows", COMMON TABLE(".quad 1"), COMMON TABLE(".quad 1, 2"), "table __table" },
    { "nameless-table-of-a-function", COMMON TABLE(".quad 1") "int f(void) { asm volatile(\"mov $9b, %rdi\"); return other; }",
      COMMON TABLE(".quad 2") "int f(void) { asm volatile(\"mov $9b, %rdi\"); return other; }", "changed f, code f" },
    { "nameless-table-of-another", COMMON TABLE(".quad 1") "asm(\".pushsection __tables, \\\"a\\\"; .quad 9b; .popsection\");",
      COMMON TABLE(".quad 2") "asm(\".pushsection __tables, \\\"a\\\"; .quad 9b; .popsection\");", "table __table" },
    { "points-to-itself", COMMON "asm(\".pushsection .rodata.x, \\\"a\\\"; .Lx: .quad .Lx, 3; .popsection\");"
      "int f(void) { asm volatile(\"mov $.Lx, %rdi\"); return other; }",
      COMMON "\nasm(\".pushsection .rodata.x, \\\"a\\\"; .Lx: .quad .Lx, 3; .popsection\");"
      "int f(void) { asm volatile(\"mov $.Lx, %rdi\"); return other; }", "" },
    { "behind-a-string", COMMON "void f(void) { asm volatile(\"mov $.Lx + 2, %%rdi\\n.pushsection .rodata.str1.1,\\\"aMS\\\",@progbits,1\\n"
      ".Lx: .string \\\"a\\\"\\n.string \\\"b\\\"\\n.popsection\" :: ); use(0); }",
      COMMON "void f(void) { asm volatile(\"mov $.Lx + 2, %%rdi\\n.pushsection .rodata.str1.1,\\\"aMS\\\",@progbits,1\\n"
      ".Lx: .string \\\"a\\\"\\n.string \\\"b\\\"\\n.popsection\" :: ); use(\"c\"); }", "changed f, code f" },
    { "constants-in-a-circle", COMMON "struct s { const struct s *to; const char *text; }; static const struct s b;"
      "static const struct s a = { &b, \"one\" }; static const struct s b = { &a, \"b\" };"
      "void f(int x) { use((void *) (x ? &a : 0)); } void g(int x) { use((void *) (x ? &b : 0)); }",
      COMMON "struct s { const struct s *to; const char *text; }; static const struct s b;"
      "static const struct s a = { &b, \"two\" }; static const struct s b = { &a, \"b\" };"
      "void f(int x) { use((void *) (x ? &a : 0)); } void g(int x) { use((void *) (x ? &b : 0)); }",
      "changed a" },
    { "static-gets-cold", COMMON "__attribute__((cold)) void cold(int); int f(int x) { static int n; use(&n);"
      "if (x == 3) { cold(x); use(0); } return other; }",
      COMMON "__attribute__((cold)) void cold(int); int f(int x) { if (x == 3) { static int n; cold(x); use(&n); } return other; }",
      "changed f" },
    { "reference-comes", COMMON "int f(void) { asm volatile(\"movl $0, %eax\"); return 1; }",
      COMMON "int f(void) { asm volatile(\"movl $other, %eax\"); return 1; }", "changed f" },
    { "bug-becomes-warning", COMMON "void f(void) { " BUG_OF("a.c", "0") " }", COMMON "void f(void) { " BUG_OF("a.c", "1") " }", "changed f" },
    { "bug-of-another-file", COMMON "void f(void) { " BUG_OF("a.c", "0") " }", COMMON "void f(void) { " BUG_OF("b.c", "0") " }", "changed f" },
    { "bug-is-no-longer-told", COMMON "void f(void) { " BUG("1") " }", COMMON "void f(void) { asm volatile(\"ud2\"); }", "changed f" },
    { "calls-another-of-the-same-code", COMMON "noinline static int g(int x) { return x + other; } int f(int x) { return g(x) * 3; }",
      COMMON "noinline static int h(int x) { return x + other; } int f(int x) { return h(x) * 3; }", "changed f, new h, gone g" },
    { "what-dynamic-debug-keeps", COMMON "in(\"__dyndbg\") static int n = 1; void f(void) { use(&n); }",
      COMMON "in(\"__dyndbg\") static int n = 2; void f(void) { use(&n); }", "" },
    { "variable-of-another-type", COMMON "static long n; long f(void) { return ++n; }",
      COMMON "static char *p; long f(void) { return (long) ++p; }", "changed f, new p, gone n" },
    { "member-grows-into-padding", COMMON "struct s { long a; char b; } *s; void f(void) { use(s); }",
      COMMON "struct s { long a; char b[3]; } *s; void f(void) { use(s); }", "layout struct s" },
    { "compound-literals", COMMON "static struct s { int *p; } table[] = { { &(int) { 1 } }, { &(int) { 2 } } };"
      "int f(void) { use(table); return other; }",
      COMMON "static struct s { int *p; } table[] = { { &(int) { 1 } }, { &(int) { 2 } } };"
      "int f(void) { use(table); return other + 1; }", "changed f" },
    { "protection-keys", COMMON "int f(void) { asm volatile(\".byte 0x0f, 0x01, 0xee\"); return other; }",
      COMMON "int f(void) { asm volatile(\".byte 0x0f, 0x01, 0xee\"); return other + 1; }", "changed f" },
    { "no-instruction", COMMON "int f(void) { asm volatile(\".byte 0x06\"); return other; }",
      COMMON "int f(void) { asm volatile(\".byte 0x06\"); return other + 1; }", "changed f, code f" },
};

const gsize diff_cases_n = G_N_ELEMENTS(diff_cases);

PatchElf *
diff_case_compile(const char *folder, const char *compiler, const char *name, const char *source)
{
    g_autofree char *c_file = g_strdup_printf("%s/%s.c", folder, name);
    g_autofree char *object = g_strdup_printf("%s/%s.o", folder, name);
    const char *argv[] = {
        compiler, "-g", "-O2", "-ffunction-sections", "-fdata-sections", "-mcmodel=kernel", "-fno-pie", "-mno-red-zone",
        "-ffreestanding", "-fno-asynchronous-unwind-tables", "-fcf-protection=none", "-w", "-c", "-o", object, c_file, NULL,
    };
    g_autoptr(GError) error = NULL;
    PatchElf *elf;

    g_assert_true(g_file_set_contents(c_file, source, -1, &error));
    g_assert_true(patch_run(NULL, argv, NULL, &error));
    elf = patch_elf_read(object, &error);
    g_assert_no_error(error);
    g_unlink(c_file);
    g_unlink(object);
    return elf;
}
