/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel makes of its own code, one case a row: the bytes of the object, the bytes that run, and whether they
 * are the same code.
 */
#include <elf.h>
#include <string.h>

#include "patcher/guestcode.h"
#include "patcher/paravirt.h"
#include "tests/introspect/btf-writer.h"

#define VA 0xffffffff81000100

typedef struct {
    const char *path;
    PatchSiteKind kind;
    guint64 arg;
    const char *live;           /* hex */
    gboolean same;
} Row;

static const Row rows[] = {
    { "/ftrace/nop", PATCH_SITE_FTRACE, 0, "0f1f440000", TRUE },
    { "/ftrace/call", PATCH_SITE_FTRACE, 0, "e811223344", TRUE },
    { "/ftrace/breakpoint", PATCH_SITE_FTRACE, 0, "cc1f440000", TRUE },
    { "/smp-lock/lock", PATCH_SITE_SMP_LOCK, 0, "f0", TRUE },
    { "/smp-lock/one-cpu", PATCH_SITE_SMP_LOCK, 0, "3e", TRUE },
    { "/smp-lock/other", PATCH_SITE_SMP_LOCK, 0, "90", FALSE },
    { "/jump-label/nop2", PATCH_SITE_JUMP_LABEL, 0x20, "6690", TRUE },
    { "/jump-label/nop5", PATCH_SITE_JUMP_LABEL, 0x20, "0f1f440000", TRUE },
    { "/jump-label/jump2", PATCH_SITE_JUMP_LABEL, 0x20, "eb1e", TRUE },
    { "/jump-label/jump5", PATCH_SITE_JUMP_LABEL, 0x20, "e91b000000", TRUE },
    { "/jump-label/elsewhere", PATCH_SITE_JUMP_LABEL, 0x20, "eb1f", FALSE },
    { "/jump-label/call", PATCH_SITE_JUMP_LABEL, 0x20, "e81b000000", FALSE },
    { "/jump-label/nops", PATCH_SITE_JUMP_LABEL, 0x20, "9090", FALSE },
    { "/static-call/nop", PATCH_SITE_STATIC_CALL, 0, "0f1f440000", TRUE },
    { "/static-call/zero", PATCH_SITE_STATIC_CALL, 0, "2e2e2e31c0", TRUE },
    { "/static-call/return", PATCH_SITE_STATIC_CALL, 0, "c3cccccccc", FALSE },
    { "/static-call/tail-return", PATCH_SITE_STATIC_CALL, 1, "c3cccccccc", TRUE },
    { "/static-call/tail-nop", PATCH_SITE_STATIC_CALL, 1, "0f1f440000", FALSE },
    { "/retpoline/call-rax", PATCH_SITE_RETPOLINE, 0, "ffd0909090", TRUE },
    { "/retpoline/call-rax-nop3", PATCH_SITE_RETPOLINE, 0, "ffd00f1f00", TRUE },
    { "/retpoline/call-r11", PATCH_SITE_RETPOLINE, 11, "41ffd36690", TRUE },
    { "/retpoline/jump-rax", PATCH_SITE_RETPOLINE, 0, "ffe0cc9090", TRUE },
    { "/retpoline/lfence", PATCH_SITE_RETPOLINE, 3, "0faee8ffd3", TRUE },
    { "/retpoline/other-register", PATCH_SITE_RETPOLINE, 0, "ffd1909090", FALSE },
    { "/retpoline/conditional", PATCH_SITE_RETPOLINE, 0, "7504ffe0cc90", TRUE },
    { "/return/ret", PATCH_SITE_RETURN, 0, "c3cccccccc", TRUE },
    { "/return/ret-and-more", PATCH_SITE_RETURN, 0, "c390cccccc", FALSE },
    { "/endbr/there", PATCH_SITE_ENDBR, 0, "f30f1efa", TRUE },
    { "/endbr/sealed", PATCH_SITE_ENDBR, 0, "0f1f4000", TRUE },
    { "/endbr/other", PATCH_SITE_ENDBR, 0, "31c031c0", FALSE },
    { "/runtime-constant/address", PATCH_SITE_RUNTIME_CONSTANT, 0, "0000feffffff7f00", TRUE },
    { "/runtime-constant/shift", PATCH_SITE_RUNTIME_CONSTANT, 0, "17", TRUE },
    { "/paravirt/nothing", PATCH_SITE_PARAVIRT, 0, "0f1f8000000000", TRUE },
    { "/paravirt/other", PATCH_SITE_PARAVIRT, 0, "31c00f1f440000", FALSE },
};

static GByteArray *
unhex(const char *text)
{
    GByteArray *bytes = g_byte_array_new();

    for (; *text; text += 2) {
        guint8 byte = g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]);

        g_byte_array_append(bytes, &byte, 1);
    }
    return bytes;
}

/* Symbol 0 is anywhere, and each other one at one place. */
static gboolean
may_be(const PatchCompare *compare, const PatchBinding *binding)
{
    return binding->symbol == 0 || binding->va == VA + 0x1000 * binding->symbol;
}

/* One site that is all of the function's code. Kinds of live code that are told by where a branch goes need a guest's
 * kernel and are left to the live tests. */
static gboolean
explains(PatchSite *site, const char *live_text, GArray *bindings)
{
    g_autoptr(GByteArray) live = unhex(live_text);
    g_autoptr(PatchCode) code = patch_code_new();
    PatchCompare compare = { .code = code, .live = live->data, .va = VA, .bindings = bindings, .may_be = may_be };
    gboolean result;

    site->length = live->len;
    g_byte_array_set_size(code->bytes, 64);
    g_assert_cmpint(cs_open(CS_ARCH_X86, CS_MODE_64, &compare.decoder), ==, CS_ERR_OK);
    result = patch_site_explains(&compare, site);
    cs_close(&compare.decoder);
    return result;
}

static void
test_row(gconstpointer data)
{
    const Row *row = data;
    g_autoptr(GArray) bindings = g_array_new(FALSE, FALSE, sizeof(PatchBinding));
    PatchSite *site = patch_site_new(row->kind, 0, 0, row->arg);

    g_assert_cmpint(explains(site, row->live, bindings), ==, row->same);
    patch_site_free(site);
}

static PatchSite *
alternative_site(const char *replacement, const PatchFixup *fixup)
{
    PatchSite *site = patch_site_new(PATCH_SITE_ALTERNATIVE, 0, 0, 0);
    PatchChoice *choice = patch_choice_new(1);
    g_autoptr(GByteArray) bytes = unhex(replacement);

    g_byte_array_append(choice->bytes, bytes->data, bytes->len);
    if (fixup)
        g_array_append_val(choice->fixups, *fixup);
    if (!site->choices)
        site->choices = g_ptr_array_new_with_free_func((GDestroyNotify) patch_choice_free);
    g_ptr_array_add(site->choices, choice);
    return site;
}

static void
check_alternative(const char *replacement, const PatchFixup *fixup, const char *live, gboolean same, GuestVa bound)
{
    g_autoptr(GArray) bindings = g_array_new(FALSE, FALSE, sizeof(PatchBinding));
    PatchSite *site = alternative_site(replacement, fixup);

    g_assert_cmpint(explains(site, live, bindings), ==, same);
    g_assert_cmpuint(bindings->len, ==, bound ? 1 : 0);
    if (bound)
        g_assert_cmphex(g_array_index(bindings, PatchBinding, 0).va, ==, bound);
    patch_site_free(site);
}

static void
test_alternative(void)
{
    const PatchFixup call = { .offset = 1, .type = R_X86_64_PLT32, .addend = -4, .target = PATCH_TARGET_SYMBOL };

    check_alternative("0f01ca", NULL, "0f01ca", TRUE, 0);
    check_alternative("0f01ca", NULL, "0f01ca0f1f4000", TRUE, 0);      /* nops behind it, of any form */
    check_alternative("0f01ca", NULL, "900f01ca90", TRUE, 0);
    check_alternative("", NULL, "0f1f440000", TRUE, 0);                 /* nothing but nops */
    check_alternative("0f01ca", NULL, "0f01cb0f1f4000", FALSE, 0);
    check_alternative("0f01ca", NULL, "0f1f4000", FALSE, 0);            /* an instruction is missing */
    check_alternative("0f01ca", NULL, "0f01ca31c0", FALSE, 0);          /* and here is one too many */
    check_alternative("e800000000", &call, "e811000000", TRUE, VA + 5 + 0x11);
    check_alternative("e900000000", &call, "eb110f1f00", TRUE, VA + 2 + 0x11);  /* made shorter by the kernel */
    check_alternative("e900000000", &call, "eb11cccccc", TRUE, VA + 2 + 0x11);  /* in newer kernels */
    check_alternative("e900000000", &call, "eb11cccccc6690", TRUE, VA + 2 + 0x11);
    check_alternative("e900000000", &call, "eb11cccc90", FALSE, 0);
    check_alternative("e900000000", &call, "eb11cccccccc", FALSE, 0);           /* more than the jump's own bytes */
    check_alternative("e900000000", &call, "e911000000", TRUE, VA + 5 + 0x11);
    check_alternative("e900000000", &call, "e811000000", FALSE, 0);
}

static void
add_call(PatchSite *site, guint32 symbol)
{
    static const guint8 call[] = { 0xe8, 0, 0, 0, 0 };
    const PatchFixup fixup = { .offset = 1, .type = R_X86_64_PLT32, .addend = -4, .target = PATCH_TARGET_SYMBOL, .index = symbol };
    PatchChoice *choice = patch_choice_new(symbol);

    g_byte_array_append(choice->bytes, call, sizeof call);
    g_array_append_val(choice->fixups, fixup);
    g_ptr_array_add(site->choices, choice);
}

/* Each calls another function, and which one of them runs only the address tells. */
static void
test_alternative_calls(void)
{
    static const char *const live[] = { "e8fb0f0000", "e8fb1f0000", "e8fb2f0000", "e8fb3f0000" };
    PatchSite *site = alternative_site("f3aa", NULL);

    for (guint32 symbol = 1; symbol <= 3; symbol++)
        add_call(site, symbol);
    for (guint32 i = 0; i < G_N_ELEMENTS(live); i++) {
        g_autoptr(GArray) bindings = g_array_new(FALSE, FALSE, sizeof(PatchBinding));

        g_assert_cmpint(explains(site, live[i], bindings), ==, i < 3);
        g_assert_cmpuint(bindings->len, ==, i < 3);
        if (i < 3)
            g_assert_cmpuint(g_array_index(bindings, PatchBinding, 0).symbol, ==, i + 1);
    }
    patch_site_free(site);
}

/* The label lies in the function's cold part: the jump tells where that is. */
static void
test_jump_to_cold_part(void)
{
    const PatchFixup jump = { .offset = 1, .type = R_X86_64_PLT32, .addend = -4, .target = PATCH_TARGET_SYMBOL };
    g_autoptr(GArray) bindings = g_array_new(FALSE, FALSE, sizeof(PatchBinding));
    g_autoptr(GByteArray) live = unhex("e911000000");
    g_autoptr(PatchCode) code = patch_code_new();
    PatchSite *site = patch_site_new(PATCH_SITE_JUMP_LABEL, 0, 5, PATCH_JUMP_BY_FIXUP);
    PatchCompare compare = { .code = code, .live = live->data, .va = VA, .bindings = bindings };

    g_byte_array_append(code->bytes, live->data, live->len);
    g_array_append_val(code->fixups, jump);
    g_assert_cmpint(cs_open(CS_ARCH_X86, CS_MODE_64, &compare.decoder), ==, CS_ERR_OK);
    g_assert_true(patch_site_explains(&compare, site));
    g_assert_cmpuint(bindings->len, ==, 1);
    g_assert_cmphex(g_array_index(bindings, PatchBinding, 0).va, ==, VA + 5 + 0x11);
    cs_close(&compare.decoder);
    patch_site_free(site);
}

static void
test_fixup_value(void)
{
    const PatchFixup relative = { .type = R_X86_64_PC32, .addend = -4 }, absolute = { .type = R_X86_64_32S, .addend = 8 };
    const PatchFixup narrow = { .type = R_X86_64_32 }, wide = { .type = R_X86_64_64, .addend = 0x10 };

    g_assert_cmphex(patch_fixup_value(&relative, (const guint8 *) "\xfc\xff\xff\xff", VA), ==, VA);
    g_assert_cmphex(patch_fixup_value(&absolute, (const guint8 *) "\x08\x01\x00\x81", VA), ==, VA);
    g_assert_cmphex(patch_fixup_value(&narrow, (const guint8 *) "\x08\x01\x00\x81", VA), ==, 0x81000108);
    g_assert_cmphex(patch_fixup_value(&wide, (const guint8 *) "\x10\x01\x00\x81\xff\xff\xff\xff", VA), ==, VA);
}

/* struct paravirt_patch_template with two tables of two operations each, of which one is known. */
static IntroBtf *
paravirt_btf(void)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    guint32 operation = btf_writer_int(writer, "pointer", 8);
    const BtfWriterMember irq_members[] = { { "save_fl", operation, 0 }, { "irq_disable", operation, 64 } };
    const BtfWriterMember lock_members[] = { { "kick", operation, 0 }, { "queued_spin_unlock", operation, 64 } };
    guint32 irq = btf_writer_composite(writer, BTF_STRUCT, "pv_irq_ops", 16, FALSE, irq_members, 2);
    guint32 lock = btf_writer_composite(writer, BTF_STRUCT, "pv_lock_ops", 16, FALSE, lock_members, 2);
    const BtfWriterMember members[] = { { "irq", irq, 0 }, { "lock", lock, 128 } };
    g_autoptr(GBytes) data = NULL;

    btf_writer_composite(writer, BTF_STRUCT, "paravirt_patch_template", 32, FALSE, members, 2);
    data = btf_writer_finish(writer);
    return intro_btf_new(data, NULL);
}

static void
test_paravirt(void)
{
    g_autoptr(IntroBtf) btf = paravirt_btf();
    const guint8 unlock[] = { 0xc6, 0x07, 0x00 };
    const guint8 *native;
    gsize length = 0;

    g_assert_nonnull(btf);
    native = patch_paravirt_native(btf, 1, &length);
    g_assert_cmpmem(native, length, "\xfa", 1);
    native = patch_paravirt_native(btf, 3, &length);
    g_assert_cmpmem(native, length, unlock, sizeof unlock);
    g_assert_null(patch_paravirt_native(btf, 2, &length));      /* kick */
    g_assert_null(patch_paravirt_native(btf, 4, &length));      /* behind all of them */
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/guestcode", rows[i].path, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/guestcode/paravirt", test_paravirt);
    g_test_add_func("/guestcode/alternative", test_alternative);
    g_test_add_func("/guestcode/alternative-calls", test_alternative_calls);
    g_test_add_func("/guestcode/jump-to-cold-part", test_jump_to_cold_part);
    g_test_add_func("/guestcode/fixup-value", test_fixup_value);
    return g_test_run();
}
