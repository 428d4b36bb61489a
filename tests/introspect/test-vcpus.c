/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/stack-facts.h"
#include "introspect/vcpus.h"

#define BASE_0  0xffff888007c00000
#define BASE_1  0xffff888007d00000
#define GDT_0   0xfffffe0000001000
#define GDT_1   0xfffffe000003c000
#define KERNEL_CS   0x10
#define USER_CS     0x33

static IntroCpu zero = { .number = 0, .base = BASE_0, .gdt = GDT_0 };
static IntroCpu one = { .number = 1, .base = BASE_1, .gdt = GDT_1 };
static IntroCpu never_started = { .number = 2, .base = 0xffff888007e00000 };

static const IntroCpu *
find(VmmVcpu vcpu)
{
    g_autoptr(GPtrArray) cpus = g_ptr_array_new();

    g_ptr_array_add(cpus, &zero);
    g_ptr_array_add(cpus, &one);
    g_ptr_array_add(cpus, &never_started);
    return intro_vcpu_find(cpus, &vcpu);
}

static void
test_base(void)
{
    g_assert_true(find((VmmVcpu) { .cs = KERNEL_CS, .gs_base = BASE_1 }) == &one);
    g_assert_true(find((VmmVcpu) { .cs = USER_CS, .gs_base = 0, .kernel_gs_base = BASE_1 }) == &one);
    g_assert_null(find((VmmVcpu) { .cs = KERNEL_CS, .gs_base = 0x1000 }));
    g_assert_null(find((VmmVcpu) { .cs = USER_CS }));
}

/* Entry code, before it has taken its own GS and after it has given it back. */
static void
test_entry(void)
{
    g_assert_true(find((VmmVcpu) { .cs = KERNEL_CS, .gs_base = 0, .gdt_base = GDT_1 }) == &one);
    g_assert_true(find((VmmVcpu) { .cs = KERNEL_CS, .gs_base = 0, .kernel_gs_base = BASE_1 }) == &one);
}

static void
test_program_lies(void)
{
    g_assert_true(find((VmmVcpu) { .cs = USER_CS, .gs_base = BASE_0, .kernel_gs_base = BASE_1 }) == &one);
    g_assert_true(find((VmmVcpu) { .cs = USER_CS, .gs_base = BASE_0, .gdt_base = GDT_1 }) == &one);
    g_assert_null(find((VmmVcpu) { .cs = USER_CS, .gs_base = BASE_0 }));
    g_assert_true(find((VmmVcpu) { .cs = KERNEL_CS, .gs_base = BASE_1, .kernel_gs_base = BASE_0 }) == &one);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vcpus/the per-CPU base tells which CPU a vCPU is", test_base);
    g_test_add_func("/vcpus/so does its GDT while entry code has the program's GS", test_entry);
    g_test_add_func("/vcpus/a program that puts another CPU's base into its GS is not believed", test_program_lies);
    return g_test_run();
}
