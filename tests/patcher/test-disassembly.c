/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code as people read it, and side by side.
 */
#include "config.h"

#include <elf.h>

#include "patcher/disassembly.h"

static void
set_code(PatchCode *code, const guint8 *bytes, gsize length)
{
    g_byte_array_append(code->bytes, bytes, length);
}

static void
add_fixup(PatchCode *code, guint32 offset, guint32 type, gint64 addend, PatchTargetKind target, guint32 index)
{
    PatchFixup fixup = { offset, type, addend, target, index };

    g_array_append_val(code->fixups, fixup);
}

/* call; mov $string; ret; a byte that is no instruction. */
static PatchObject *
sample(void)
{
    static const guint8 old_code[] = { 0xe8, 0, 0, 0, 0, 0x48, 0xc7, 0xc7, 0, 0, 0, 0, 0xc3 };
    static const guint8 new_code[] = { 0x90, 0xe8, 0, 0, 0, 0, 0x48, 0xc7, 0xc7, 0, 0, 0, 0, 0xc3, 0x06 };
    PatchObject *object = patch_object_new();
    PatchOldFunction *function;
    PatchPiece *piece, *string;

    patch_object_add_section(object, ".text", 0x100, 16);
    patch_object_add_symbol(object, "f", 0, 0, sizeof old_code)->is_function = TRUE;
    patch_object_add_symbol(object, ".text", 0, 0, 0);
    patch_object_add_symbol(object, "callee", 0, 0x40, 8)->is_function = TRUE;
    g_ptr_array_add(object->literals, g_bytes_new("old \"a\"\n", 9));
    function = patch_object_add_function(object, 0);
    set_code(function->code, old_code, sizeof old_code);
    add_fixup(function->code, 1, R_X86_64_PC32, 0x40 - 4, PATCH_TARGET_SYMBOL, 1);
    add_fixup(function->code, 8, R_X86_64_32S, 0, PATCH_TARGET_LITERAL, 0);
    piece = patch_object_add_piece(object, "f", PATCH_PIECE_TEXT, 16, sizeof new_code);
    set_code(piece->code, new_code, sizeof new_code);
    add_fixup(piece->code, 2, R_X86_64_PLT32, -4, PATCH_TARGET_SYMBOL, 2);
    add_fixup(piece->code, 9, R_X86_64_32S, 0, PATCH_TARGET_PIECE, 1);
    g_ptr_array_add(piece->code->sites, patch_site_new(PATCH_SITE_STATIC_CALL, 1, 5, 0));
    string = patch_object_add_piece(object, "a string", PATCH_PIECE_RODATA, 1, 4);
    set_code(string->code, (const guint8 *) "new", 4);
    patch_object_add_replacement(object, 0, 0, PATCH_REASON_CHANGED, "");
    return object;
}

static char *
show(const GPtrArray *insns)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < insns->len; i++) {
        const PatchInsn *insn = insns->pdata[i];

        g_string_append_printf(text, "%u %s <%s>%s\n", insn->offset, insn->text, insn->refers, insn->site ? insn->site : "");
    }
    return g_string_free(text, FALSE);
}

static void
test_code(void)
{
    g_autoptr(PatchObject) object = sample();
    g_autoptr(GArray) functions = patch_code_pairs(object);
    const PatchCodePair *f = &g_array_index(functions, PatchCodePair, 0);
    g_autoptr(GPtrArray) old_insns = patch_disassemble(object, f->old_code), new_insns = patch_disassemble(object, f->new_code);
    g_autofree char *old_text = show(old_insns), *new_text = show(new_insns);

    g_assert_cmpuint(functions->len, ==, 1);
    g_assert_cmpstr(old_text, ==, "0 callq <callee>\n5 movq $0, %rdi <\"old \\\"a\\\"\\n\">\n12 retq <>\n");
    g_assert_cmpstr(new_text, ==, "0 nop <>\n1 callq <callee>static-call\n6 movq $0, %rdi <\"new\">\n13 retq <>\n"
                    "14 .byte 0x06 <>\n");
}

static char *
align(const PatchObject *object, const PatchCode *old_code, const PatchCode *new_code)
{
    g_autoptr(GPtrArray) old_insns = patch_disassemble(object, old_code), new_insns = patch_disassemble(object, new_code);
    g_autoptr(GArray) pairs = patch_disassembly_align(old_insns, new_insns);
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < pairs->len; i++) {
        const PatchInsnPair *pair = &g_array_index(pairs, PatchInsnPair, i);

        g_string_append_printf(text, "%d%c%d ", pair->old_insn, pair->same ? '=' : '/', pair->new_insn);
    }
    return g_string_free(text, FALSE);
}

static void
test_align(void)
{
    g_autoptr(PatchObject) object = sample();
    g_autoptr(GArray) functions = patch_code_pairs(object);
    const PatchCodePair *f = &g_array_index(functions, PatchCodePair, 0);
    g_autofree char *changed = align(object, f->old_code, f->new_code), *is_new = align(object, NULL, f->old_code);
    g_autofree char *same = align(object, f->old_code, f->old_code);

    g_assert_cmpstr(changed, ==, "-1/0 0=1 1/-1 -1/2 2=3 -1/4 ");
    g_assert_cmpstr(is_new, ==, "-1/0 -1/1 -1/2 ");
    g_assert_cmpstr(same, ==, "0=0 1=1 2=2 ");
}

/* A jump is the same when only what it jumps over grew; one over another condition is not. */
static void
test_jumps(void)
{
    static const guint8 first[] = { 0x74, 0x00, 0x90, 0xc3 }, longer[] = { 0x74, 0x01, 0x90, 0xc3 }, other[] = { 0x75, 0, 0x90, 0xc3 };
    g_autoptr(PatchObject) object = patch_object_new();
    PatchCode *codes[] = { patch_code_new(), patch_code_new(), patch_code_new() };
    g_autofree char *grown = NULL, *differs = NULL;

    set_code(codes[0], first, sizeof first);
    set_code(codes[1], longer, sizeof longer);
    set_code(codes[2], other, sizeof other);
    grown = align(object, codes[0], codes[1]);
    differs = align(object, codes[0], codes[2]);
    g_assert_cmpstr(grown, ==, "0=0 1=1 2=2 ");
    g_assert_cmpstr(differs, ==, "0/-1 -1/0 1=1 2=2 ");
    for (guint i = 0; i < G_N_ELEMENTS(codes); i++)
        patch_code_free(codes[i]);
}

/* What capstone 4 has no word for; with the byte behind each, which has to be read as an instruction of its own. */
static void
test_unknown(void)
{
    static const guint8 known[] = {
        0x0f, 0x01, 0xee, 0xc3, 0x0f, 0x01, 0xef, 0x90, 0x0f, 0x01, 0xe8, 0x90, 0x0f, 0x01, 0xfa, 0x90, 0x0f, 0x01, 0xfb, 0x90,
        0xf2, 0x0f, 0x01, 0xff, 0x90, 0xf3, 0x0f, 0x01, 0xfe, 0x90, 0xf3, 0x0f, 0x01, 0xff, 0x90,
        0xc4, 0xe2, 0x78, 0x49, 0xc0, 0x90, 0x66, 0x0f, 0xae, 0xf1, 0x90, 0xf3, 0x0f, 0xae, 0xf7, 0x90,
    };
    static const guint8 cut_short[] = { 0x90, 0x0f, 0x01 };
    g_autoptr(PatchObject) object = patch_object_new();
    PatchCode *codes[] = { patch_code_new(), patch_code_new() };
    g_autoptr(GPtrArray) insns = NULL, rest = NULL;
    g_autofree char *text = NULL, *rest_text = NULL;

    set_code(codes[0], known, sizeof known);
    set_code(codes[1], cut_short, sizeof cut_short);
    insns = patch_disassemble(object, codes[0]);
    rest = patch_disassemble(object, codes[1]);
    text = show(insns);
    rest_text = show(rest);
    g_assert_cmpstr(text, ==, "0 rdpkru <>\n3 retq <>\n4 wrpkru <>\n7 nop <>\n8 serialize <>\n11 nop <>\n12 monitorx <>\n"
                    "15 nop <>\n16 mwaitx <>\n19 nop <>\n20 pvalidate <>\n24 nop <>\n25 rmpadjust <>\n29 nop <>\n30 psmash <>\n"
                    "34 nop <>\n35 tilerelease <>\n40 nop <>\n41 tpause <>\n45 nop <>\n46 umonitor <>\n"
                    "50 nop <>\n");
    g_assert_cmpstr(rest_text, ==, "0 nop <>\n1 .byte 0x0f <>\n2 .byte 0x01 <>\n");
    for (guint i = 0; i < G_N_ELEMENTS(codes); i++)
        patch_code_free(codes[i]);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/disassembly/code", test_code);
    g_test_add_func("/disassembly/align", test_align);
    g_test_add_func("/disassembly/jumps", test_jumps);
    g_test_add_func("/disassembly/unknown", test_unknown);
    return g_test_run();
}
