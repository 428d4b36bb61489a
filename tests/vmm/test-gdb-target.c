/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "vmm/gdb-target.h"
#include "vmm/machine.h"

#define ROOT \
    "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>" \
    "<architecture>i386:x86-64</architecture><xi:include href=\"core.xml\"/><xi:include href=\"extra.xml\"/></target>"

static const char *const names64[] = {
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip",
    "fs_base", "gs_base", "k_gs_base", "cr0", "cr3", "cr4", "efer",
};
static const char *const names32[] = { "eflags", "cs", "ss" };

/* A description with every register that is wanted but SKIPPED, after one of PAD_BITS. */
static char *
describe(const char *skipped, const char *pad_bits)
{
    GString *xml = g_string_new("<feature name=\"core\"><!-- comment -->");

    g_string_append_printf(xml, "<reg name=\"pad\" bitsize=\"%s\" type=\"i387_ext\" regnum=\"0\"/>", pad_bits);
    for (gsize i = 0; i < G_N_ELEMENTS(names64); i++)
        if (g_strcmp0(names64[i], skipped) != 0)
            g_string_append_printf(xml, "<reg name=\"%s\" bitsize=\"64\" type=\"int64\"/>", names64[i]);
    for (gsize i = 0; i < G_N_ELEMENTS(names32); i++)
        if (g_strcmp0(names32[i], skipped) != 0)
            g_string_append_printf(xml, "<reg name=\"%s\" bitsize=\"32\" type=\"int32\"/>", names32[i]);
    g_string_append(xml, "</feature>");
    return g_string_free(xml, FALSE);
}

static gboolean
add(VmmGdbTarget *target, const char *xml, GError **error)
{
    g_autoptr(GPtrArray) includes = g_ptr_array_new_with_free_func(g_free);

    return vmm_gdb_target_add(target, xml, strlen(xml), includes, error);
}

static void
test_includes(void)
{
    g_autoptr(VmmGdbTarget) target = vmm_gdb_target_new();
    g_autoptr(GPtrArray) includes = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;

    g_assert_true(vmm_gdb_target_add(target, ROOT, strlen(ROOT), includes, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(includes->len, ==, 2);
    g_assert_cmpstr(g_ptr_array_index(includes, 0), ==, "core.xml");
    g_assert_cmpstr(g_ptr_array_index(includes, 1), ==, "extra.xml");
}

static void
test_decode(void)
{
    const gsize pad = 10, n_bytes = pad + 24 * 8 + 3 * 4;
    g_autofree char *xml = describe(NULL, "80");
    g_autofree guint8 *bytes = g_malloc0(n_bytes);
    g_autoptr(VmmGdbTarget) target = vmm_gdb_target_new();
    g_autoptr(GError) error = NULL;
    VmmVcpu vcpu = { .index = 3 };

    g_assert_true(add(target, xml, &error));
    g_assert_true(vmm_gdb_target_finish(target, &error));
    g_assert_no_error(error);
    bytes[pad] = 0x11;                      /* rax */
    bytes[pad + 7] = 0x80;
    bytes[pad + 16 * 8] = 0x22;             /* rip */
    bytes[pad + 23 * 8 + 1] = 0x0d;         /* efer */
    bytes[pad + 24 * 8 + 4] = 0x33;         /* cs */
    bytes[n_bytes - 4] = 0x2b;              /* ss */
    g_assert_true(vmm_gdb_target_decode(target, bytes, n_bytes, &vcpu, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(vcpu.index, ==, 3);
    g_assert_cmphex(vcpu.gpr[VMM_RAX], ==, 0x8000000000000011);
    g_assert_cmphex(vcpu.rip, ==, 0x22);
    g_assert_cmphex(vcpu.efer, ==, 0xd00);
    g_assert_cmphex(vcpu.cs, ==, 0x33);
    g_assert_cmphex(vcpu.ss, ==, 0x2b);

    g_assert_false(vmm_gdb_target_decode(target, bytes, n_bytes - 1, &vcpu, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL);
}

/* The `g` packet goes by number, not by the order of the text. */
static void
test_numbers(void)
{
    g_autofree char *rest = describe("rax", "64");
    g_autoptr(VmmGdbTarget) target = vmm_gdb_target_new();
    g_autoptr(GError) error = NULL;
    guint8 bytes[8 + 24 * 8 + 3 * 4] = { 0 };
    VmmVcpu vcpu = { 0 };

    g_assert_true(add(target, rest, &error));
    g_assert_true(add(target, "<feature><reg name=\"rax\" bitsize=\"64\" regnum=\"1000\"/></feature>", &error));
    g_assert_true(vmm_gdb_target_finish(target, &error));
    bytes[sizeof bytes - 8] = 0x77;
    g_assert_true(vmm_gdb_target_decode(target, bytes, sizeof bytes, &vcpu, &error));
    g_assert_no_error(error);
    g_assert_cmphex(vcpu.gpr[VMM_RAX], ==, 0x77);
}

static void
test_missing(void)
{
    static const char *const wanted[] = { "rax", "r15", "rip", "k_gs_base", "cr3", "efer", "ss" };

    for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++) {
        g_autofree char *xml = describe(wanted[i], "8");
        g_autoptr(VmmGdbTarget) target = vmm_gdb_target_new();
        g_autoptr(GError) error = NULL;

        g_assert_true(add(target, xml, &error));
        g_assert_false(vmm_gdb_target_finish(target, &error));
        g_assert_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED);
    }
}

static void
test_refuses(void)
{
    static const char *const bad[] = {
        "", "not XML", "<target>", "<target></feature>", "<target><reg/></target>", "<reg name=\"a\"/>",
        "<reg name=\"a\" bitsize=\"\"/>", "<reg name=\"a\" bitsize=\"-8\"/>", "<reg name=\"a\" bitsize=\"7\"/>",
        "<reg name=\"a\" bitsize=\"99999999999999999999\"/>", "<reg name=\"a\" bitsize=\"8\" regnum=\"-1\"/>",
        "<reg name=\"a\" bitsize=\"8\" regnum=\"4294967296\"/>", "<target><xi:include/></target>", "<a>\xff</a>",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(VmmGdbTarget) target = vmm_gdb_target_new();
        g_autoptr(GError) error = NULL;

        g_assert_false(add(target, bad[i], &error));
        g_assert_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL);
    }
}

static void
test_too_much(void)
{
    g_autoptr(VmmGdbTarget) target = vmm_gdb_target_new();
    g_autoptr(GString) registers = g_string_new("<t>");
    g_autoptr(GString) includes = g_string_new("<t>");
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < 5000; i++)
        g_string_append(registers, "<reg name=\"a\" bitsize=\"8\"/>");
    for (guint i = 0; i < 100; i++)
        g_string_append(includes, "<xi:include href=\"target.xml\"/>");
    g_string_append(registers, "</t>");
    g_string_append(includes, "</t>");
    g_assert_false(add(target, registers->str, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL);
    g_clear_error(&error);
    g_assert_false(add(target, includes->str, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmm/gdb-target/includes", test_includes);
    g_test_add_func("/vmm/gdb-target/decode", test_decode);
    g_test_add_func("/vmm/gdb-target/numbers", test_numbers);
    g_test_add_func("/vmm/gdb-target/missing", test_missing);
    g_test_add_func("/vmm/gdb-target/refuses", test_refuses);
    g_test_add_func("/vmm/gdb-target/too-much", test_too_much);
    return g_test_run();
}
