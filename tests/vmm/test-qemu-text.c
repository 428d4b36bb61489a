/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "vmm/qemu-text.h"

#define VIEW_OF_SMM \
    "FlatView #0\r\n AS \"cpu-smm-0\", root: memory\r\n Root memory region: memory\r\n" \
    "  0000000000000000-00000000000bffff (prio 0, ram): pc.ram\r\n\r\n"
#define SYSTEM_VIEW \
    "FlatView #1\r\n AS \"memory\", root: system\r\n AS \"cpu-memory-0\", root: system\r\n" \
    " Root memory region: system\r\n"

static const char mtree[] =
    VIEW_OF_SMM SYSTEM_VIEW
    "  0000000000000000-000000000009ffff (prio 0, ram): pc.ram KVM\r\n"
    "  00000000000a0000-00000000000bffff (prio 1, i/o): vga-lowmem\r\n"
    "  00000000000c0000-00000000000cafff (prio 0, rom): pc.ram @00000000000c0000 KVM\r\n"
    "  00000000000cb000-00000000000cdfff (prio 0, ram): pc.ram @00000000000cb000 KVM\r\n"
    "  0000000000100000-00000000bfffffff (prio -1, ram): pc.ram @0000000000100000\r\n"
    "  00000000fd000000-00000000fdffffff (prio 1, ramd): 0000:00:02.0 mmap[0]\r\n"
    "  0000000100000000-000000013fffffff (prio 0, ram): odd (prio 1, rom): name @00000000c0000000\r\n"
    "\r\n"
    "FlatView #2\r\n AS \"I/O\", root: io\r\n Root memory region: io\r\n"
    "  0000000000000000-0000000000000007 (prio 0, ram): not-in-this-view\r\n\r\n";

static void
test_mtree(void)
{
    const VmmRange expected[] = {
        { { 0 }, 0xa0000 }, { { 0xcb000 }, 0x3000 }, { { 0x100000 }, 0xbff00000 }, { { 0x100000000 }, 0x40000000 },
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) ranges = vmm_qemu_parse_mtree(mtree, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(ranges->len, ==, G_N_ELEMENTS(expected));
    for (guint i = 0; i < ranges->len; i++) {
        g_assert_cmphex(g_array_index(ranges, VmmRange, i).start.value, ==, expected[i].start.value);
        g_assert_cmphex(g_array_index(ranges, VmmRange, i).length, ==, expected[i].length);
    }
}

static void
test_mtree_refuses(void)
{
    static const char *const bad[] = {
        "", "FlatView #0\n", VIEW_OF_SMM, SYSTEM_VIEW, SYSTEM_VIEW "  No rendered FlatView\n",
        SYSTEM_VIEW "  0000000000000000-000000000009ffff (prio 0, ram) pc.ram\n",
        SYSTEM_VIEW "  0000000000001000-0000000000000fff (prio 0, ram): pc.ram\n",
        SYSTEM_VIEW "  0000000000000000-ffffffffffffffff (prio 0, ram): pc.ram\n",
        SYSTEM_VIEW "  00000000000000000-000000000009ffff (prio 0, ram): pc.ram\n",
        SYSTEM_VIEW "  0000000000000000-000000000009ffff (prio , ram): pc.ram\n",
        SYSTEM_VIEW "  0x00000000000000-000000000009ffff (prio 0, ram): pc.ram\n",
        SYSTEM_VIEW "  0000000000000000-000000000009ffff (prio 0, ram): pc.ram\n"
                    "  0000000000090000-000000000019ffff (prio 0, ram): pc.ram\n",
        SYSTEM_VIEW "  0000000000100000-000000000019ffff (prio 0, ram): pc.ram\n"
                    "  0000000000000000-000000000000ffff (prio 0, ram): pc.ram\n",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GArray) ranges = vmm_qemu_parse_mtree(bad[i], &error);

        g_assert_null(ranges);
        g_assert_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL);
    }
}

static void
test_gpa2hva(void)
{
    static const char *const bad[] = {
        "", "Memory at address 0xfee00000 is not RAM\r\n", "No memory is mapped at address 0xfffffffff\r\n",
        "Host virtual address for 0x1000 (pc.ram) is 0x\r\n", "Host virtual address for 0x1000 (pc.ram) is (nil)\r\n",
        "Host virtual address for 0x1000 (pc.ram) is 0x0\r\n",
        "Host virtual address for 0x1000 (pc.ram) is 0x7f00 and\r\n",
        "Host virtual address for 0x1000 (pc.ram) is 0x17f6133e0100000000\r\n",
    };
    g_autoptr(GError) error = NULL;
    guint64 hva = 0;

    g_assert_true(vmm_qemu_parse_gpa2hva("Host virtual address for 0x1000 (a (b) is 0x1) is 0x7f6133e01000\r\n", &hva,
                                         &error));
    g_assert_no_error(error);
    g_assert_cmphex(hva, ==, 0x7f6133e01000);
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(vmm_qemu_parse_gpa2hva(bad[i], &hva, &error));
        g_assert_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL);
        g_clear_error(&error);
    }
}

static const char long_mode[] =
    "\r\nCPU#0\r\n"
    "RAX=0000000000000001 RBX=0000000000000002 RCX=0000000000000003 RDX=0000000000000004\r\n"
    "RSI=0000000000000005 RDI=0000000000000006 RBP=0000000000000007 RSP=ff42fb25c0013e58\r\n"
    "R8 =0000000000000009 R9 =000000000000000a R10=000000000000000b R11=000000000000000c\r\n"
    "R12=000000000000000d R13=000000000000000e R14=000000000000000f R15=0000000000000010\r\n"
    "RIP=ffffffff95669b7b RFL=00000297 [--S-APC] CPL=3 II=0 A20=1 SMM=0 HLT=0\r\n"
    "ES =0000 0000000000000000 00000000 00000000\r\n"
    "CS =0033 0000000000000000 ffffffff 00af9b00 DPL=3 CS64 [-RA]\r\n"
    "SS =002b 0000000000000000 ffffffff 00cf9300 DPL=3 DS   [-WA]\r\n"
    "DS =0000 0000000000000000 00000000 00000000\r\n"
    "FS =0000 00007f0000001000 00000000 00000000\r\n"
    "GS =0000 ff32115a5f200000 00000000 00000000\r\n"
    "LDT=0000 0000000000000000 00000000 00008200 DPL=0 LDT\r\n"
    "GDT=     fffffe0000001000 0000007f\r\n"
    "CR0=80050033 CR2=ff32115a52001000 CR3=0000000011210000 CR4=00751eb0\r\n"
    "DR6=00000000ffff0ff0 DR7=0000000000000400\r\n"
    "EFER=0000000000000d01\r\n"
    "FCW=037f FSW=0000 [ST=0] FTW=00 MXCSR=00001f80\r\n";

static const char legacy[] =
    "EAX=00000001 EBX=00000002 ECX=00000003 EDX=00000663\r\n"
    "ESI=00000005 EDI=00000006 EBP=00000007 ESP=00000008\r\n"
    "EIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0\r\n"
    "ES =0000 00000000 0000ffff 00009300\r\n"
    "CS =f000 ffff0000 0000ffff 00009b00\r\n"
    "SS =0000 00000000 0000ffff 00009300\r\n"
    "FS =0000 00000100 0000ffff 00009300\r\n"
    "GS =0000 00000200 0000ffff 00009300\r\n"
    "GDT=     00000000 0000ffff\r\n"
    "CR0=60000010 CR2=00000000 CR3=00000000 CR4=00000000\r\n"
    "EFER=0000000000000000\r\n";

static void
test_registers(void)
{
    g_autoptr(GError) error = NULL;
    VmmVcpu vcpu = { .index = 5 };

    g_assert_true(vmm_qemu_parse_registers(long_mode, &vcpu, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(vcpu.index, ==, 5);
    g_assert_cmphex(vcpu.gpr[VMM_RAX], ==, 1);
    g_assert_cmphex(vcpu.gpr[VMM_RSP], ==, 0xff42fb25c0013e58);
    g_assert_cmphex(vcpu.gpr[VMM_R8], ==, 9);
    g_assert_cmphex(vcpu.gpr[VMM_R15], ==, 16);
    g_assert_cmphex(vcpu.rip, ==, 0xffffffff95669b7b);
    g_assert_cmphex(vcpu.eflags, ==, 0x297);
    g_assert_true(vmm_vcpu_in_user_mode(&vcpu));
    g_assert_cmphex(vcpu.ss, ==, 0x2b);
    g_assert_cmphex(vcpu.fs_base, ==, 0x7f0000001000);
    g_assert_cmphex(vcpu.gs_base, ==, 0xff32115a5f200000);
    g_assert_cmphex(vcpu.gdt_base, ==, 0xfffffe0000001000);
    g_assert_cmphex(vcpu.cr0, ==, 0x80050033);
    g_assert_cmphex(vcpu.cr3, ==, 0x11210000);
    g_assert_cmphex(vcpu.cr4, ==, 0x751eb0);
    g_assert_cmphex(vcpu.efer, ==, 0xd01);

    g_assert_true(vmm_qemu_parse_registers(legacy, &vcpu, &error));
    g_assert_no_error(error);
    g_assert_cmphex(vcpu.rip, ==, 0xfff0);
    g_assert_cmphex(vcpu.gpr[VMM_RDX], ==, 0x663);
    g_assert_cmphex(vcpu.gpr[VMM_R8], ==, 0);
    g_assert_cmphex(vcpu.cs, ==, 0xf000);
    g_assert_cmphex(vcpu.gs_base, ==, 0x200);
}

/* TEXT with the first FROM replaced by TO must be refused, and VCPU left alone. */
static void
assert_refused(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    g_autofree char *start = g_strndup(text, at - text);
    g_autofree char *changed = g_strconcat(start, to, at + strlen(from), NULL);
    g_autoptr(GError) error = NULL;
    VmmVcpu vcpu = { .rip = 42 };

    g_assert_false(vmm_qemu_parse_registers(changed, &vcpu, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL);
    g_assert_cmpuint(vcpu.rip, ==, 42);
}

static void
test_registers_refuses(void)
{
    assert_refused(long_mode, "RAX=", "RAY=");
    assert_refused(long_mode, "RBX=0000000000000002", "RBX=");
    assert_refused(long_mode, "RBX=0000000000000002", "RBX=0000000000000002f");
    assert_refused(long_mode, "RBX=0000000000000002", "RBX=xyz");
    assert_refused(long_mode, "RBX=", "RAX=");
    assert_refused(long_mode, "CS =0033 0000000000000000 ", "CS =0033 ");
    assert_refused(long_mode, "CS =0033 ", "CS =10033 ");
    assert_refused(long_mode, "CR3=", "CR9=");
    assert_refused(long_mode, "EFER=", "EFUR=");
    assert_refused(legacy, "EIP=", "XIP=");
    assert_refused(legacy, "EFER=0000000000000000\r\n", "");
}

/* Every prefix of a good answer ends in a value or an error, within bounds. */
static void
test_truncated(void)
{
    for (gsize length = 0; length < sizeof mtree; length++) {
        g_autofree char *text = g_strndup(mtree, length);
        g_autoptr(GArray) ranges = vmm_qemu_parse_mtree(text, NULL);

        g_assert_true(ranges == NULL || ranges->len <= 4);
    }
    for (gsize length = 0; length < (gsize)(strstr(long_mode, "\r\nFCW=") - long_mode); length++) {
        g_autofree char *text = g_strndup(long_mode, length);
        VmmVcpu vcpu = { 0 };

        g_assert_false(vmm_qemu_parse_registers(text, &vcpu, NULL));
    }
}

static void
test_listener(void)
{
    static const struct {
        const char *filename, *path;
        gboolean connected;
    } cases[] = {
        { "unix:/run/a b/vlp.gdb,server=on", "/run/a b/vlp.gdb", TRUE },
        { "disconnected:unix:/run/vlp.gdb,server=on", "/run/vlp.gdb", FALSE },
        { "disconnected:unix:/run/vlp.gdb,server", "/run/vlp.gdb", FALSE },
        { "unix:/run/,server=on/vlp.gdb,server=on", "/run/,server=on/vlp.gdb", TRUE },
        { "unix:/run/vlp.gdb", NULL, FALSE },
        { "unix:vlp.gdb,server=on", NULL, FALSE },
        { "unix:,server=on", NULL, FALSE },
        { "disconnected:tcp:127.0.0.1:1234,server=on", NULL, FALSE },
        { "pty:/dev/pts/1", NULL, FALSE },
        { "", NULL, FALSE },
        { NULL, NULL, FALSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gboolean connected = FALSE;
        g_autofree char *path = vmm_qemu_parse_listener(cases[i].filename, &connected);

        g_assert_cmpstr(path, ==, cases[i].path);
        g_assert_true(connected == cases[i].connected);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmm/qemu-text/mtree", test_mtree);
    g_test_add_func("/vmm/qemu-text/mtree-refuses", test_mtree_refuses);
    g_test_add_func("/vmm/qemu-text/gpa2hva", test_gpa2hva);
    g_test_add_func("/vmm/qemu-text/listener", test_listener);
    g_test_add_func("/vmm/qemu-text/registers", test_registers);
    g_test_add_func("/vmm/qemu-text/registers-refuses", test_registers_refuses);
    g_test_add_func("/vmm/qemu-text/truncated", test_truncated);
    return g_test_run();
}
