/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/guestcode.h"

#include <elf.h>
#include <string.h>

#include "patcher/paravirt.h"

enum {
    OP_JMP8 = 0xeb, OP_JMP32 = 0xe9, OP_CALL32 = 0xe8, OP_RET = 0xc3, OP_INT3 = 0xcc, OP_TWO_BYTE = 0x0f,
    PREFIX_LOCK = 0xf0, PREFIX_DS = 0x3e,
};

static gint64
read_signed(const guint8 *at, gsize bytes)
{
    gint32 small;
    gint64 large;

    if (bytes == 4) {
        memcpy(&small, at, 4);
        return GINT32_FROM_LE(small);
    }
    memcpy(&large, at, 8);
    return GINT64_FROM_LE(large);
}

gsize
patch_fixup_bytes(const PatchFixup *fixup)
{
    return fixup->type == R_X86_64_64 || fixup->type == R_X86_64_PC64 ? 8 : 4;
}

GuestVa
patch_fixup_value(const PatchFixup *fixup, const guint8 *at, GuestVa va)
{
    gint64 field = read_signed(at, patch_fixup_bytes(fixup));

    switch (fixup->type) {
    case R_X86_64_32:
        return (guint32) field - fixup->addend;
    case R_X86_64_PC32:
    case R_X86_64_PLT32:
    case R_X86_64_PC64:
        return field + va - fixup->addend;
    default:
        return field - fixup->addend;
    }
}

/* Steps over one nop; 0 if there is none. */
static gsize
nop_length(csh decoder, const guint8 *code, gsize length)
{
    cs_insn *insn;
    gsize size = 0;

    if (length > 0 && cs_disasm(decoder, code, MIN(length, 15), 0, 1, &insn) == 1) {
        if (insn->id == X86_INS_NOP)
            size = insn->size;
        cs_free(insn, 1);
    }
    return size;
}

static gsize
insn_length(csh decoder, const guint8 *code, gsize length)
{
    cs_insn *insn;
    gsize size = 0;

    if (length > 0 && cs_disasm(decoder, code, MIN(length, 15), 0, 1, &insn) == 1) {
        size = insn->size;
        cs_free(insn, 1);
    }
    return size;
}

static gsize
skip_nops(csh decoder, const guint8 *code, gsize at, gsize length)
{
    gsize nop;

    while ((nop = nop_length(decoder, code + at, length - at)) > 0)
        at += nop;
    return at;
}

gboolean
patch_only_nops(csh decoder, const guint8 *code, gsize length)
{
    return skip_nops(decoder, code, 0, length) == length;
}

static const PatchFixup *
fixup_within(const GArray *fixups, gsize start, gsize end)
{
    for (guint i = 0; i < fixups->len; i++) {
        const PatchFixup *fixup = &g_array_index(fixups, PatchFixup, i);

        if (fixup->offset >= start && fixup->offset + patch_fixup_bytes(fixup) <= end)
            return fixup;
    }
    return NULL;
}

static void
bind(PatchCompare *compare, const PatchFixup *fixup, GuestVa va)
{
    PatchBinding binding = { fixup->index, va };

    if (fixup->target == PATCH_TARGET_SYMBOL)
        g_array_append_val(compare->bindings, binding);
}

/* Where a near jump or call goes; 0 if it is none. LENGTH is set to its size. */
static GuestVa
branch_target(const guint8 *code, gsize length, GuestVa va, gsize *size)
{
    if (length >= 2 && code[0] == OP_JMP8) {
        *size = 2;
        return va + 2 + (gint8) code[1];
    }
    if (length >= 5 && (code[0] == OP_JMP32 || code[0] == OP_CALL32)) {
        *size = 5;
        return va + 5 + read_signed(code + 1, 4);
    }
    return 0;
}

/* A near jump of SIZE bytes that the kernel made one of LIVE_SIZE. The rest of its bytes are breakpoints in newer kernels (6.12),
 * nops in older ones (6.1). Returns how many bytes are the jump's. */
static gsize
with_breakpoints(const guint8 *live, gsize live_size, gsize live_length, gsize size)
{
    if (live_length < size)
        return live_size;
    for (gsize i = live_size; i < size; i++)
        if (live[i] != OP_INT3)
            return live_size;
    return size;
}

/* One instruction of a replacement against running code; how many running bytes it took, 0 if they differ. */
static gsize
match_insn(PatchCompare *compare, const guint8 *code, gsize size, gsize at, const GArray *fixups, const guint8 *live,
           gsize live_length, GuestVa live_va)
{
    const PatchFixup *fixup = fixup_within(fixups, at, at + size);
    gsize field, live_size;
    GuestVa target;

    if (fixup && code[0] == OP_JMP32 && live_length > 0 && live[0] != OP_CALL32) {
        target = branch_target(live, live_length, live_va, &live_size);
        if (!target)
            return 0;
        bind(compare, fixup, target - fixup->addend - 4);
        return with_breakpoints(live, live_size, live_length, size);
    }
    if (live_length < size)
        return 0;
    if (!fixup)
        return memcmp(code, live, size) == 0 ? size : 0;
    field = fixup->offset - at;
    live_size = field + patch_fixup_bytes(fixup);
    if (memcmp(code, live, field) != 0 || memcmp(code + live_size, live + live_size, size - live_size) != 0)
        return 0;
    bind(compare, fixup, patch_fixup_value(fixup, live + field, live_va + field));
    return size;
}

static gboolean
may_all_be(const PatchCompare *compare, guint first)
{
    for (guint i = first; i < compare->bindings->len; i++)
        if (!compare->may_be(compare, &g_array_index(compare->bindings, PatchBinding, i)))
            return FALSE;
    return TRUE;
}

/* The running stretch consists of CODE's instructions, whatever nops lie between and behind them. */
static gboolean
match_form(PatchCompare *compare, const GByteArray *code, const GArray *fixups, const PatchSite *site)
{
    const guint8 *live = compare->live + site->offset;
    guint learnt = compare->bindings->len;
    gsize at = 0, live_at = 0;

    for (;;) {
        gsize size, taken;

        at = skip_nops(compare->decoder, code->data, at, code->len);
        live_at = skip_nops(compare->decoder, live, live_at, site->length);
        if (at == code->len)
            break;
        size = insn_length(compare->decoder, code->data + at, code->len - at);
        taken = size == 0 ? 0 : match_insn(compare, code->data + at, size, at, fixups, live + live_at,
                                           site->length - live_at, compare->va + site->offset + live_at);
        if (taken == 0) {
            g_array_set_size(compare->bindings, learnt);
            return FALSE;
        }
        at += size;
        live_at += taken;
    }
    if (live_at == site->length && may_all_be(compare, learnt))
        return TRUE;
    g_array_set_size(compare->bindings, learnt);
    return FALSE;
}

static gboolean
explain_alternative(PatchCompare *compare, const PatchSite *site)
{
    for (guint i = site->choices->len; i > 0; i--) {
        const PatchChoice *choice = site->choices->pdata[i - 1];

        if (match_form(compare, choice->bytes, choice->fixups, site))
            return TRUE;
    }
    return FALSE;
}

static gboolean
is_text_branch(PatchCompare *compare, const PatchSite *site, guint8 opcode)
{
    const guint8 *live = compare->live + site->offset;
    gsize size = 0;
    GuestVa target = branch_target(live, site->length, compare->va + site->offset, &size);

    return target && live[0] == opcode && intro_kernel_is_text(compare->kernel, target) &&
           patch_only_nops(compare->decoder, live + size, site->length - size);
}

/* The mcount call of a function that is being traced goes to a trampoline outside the kernel's image. While the tracer
 * is switched, a breakpoint stands there for a moment, before the rest of either form; nothing of it is touched here. */
static gboolean
explain_ftrace(PatchCompare *compare, const PatchSite *site)
{
    const guint8 *live = compare->live + site->offset;

    return live[0] == OP_CALL32 || live[0] == OP_INT3 || nop_length(compare->decoder, live, site->length) == site->length;
}

static gboolean
explain_jump_label(PatchCompare *compare, const PatchSite *site)
{
    const guint8 *live = compare->live + site->offset;
    gsize size = 0;
    GuestVa target = branch_target(live, site->length, compare->va + site->offset, &size);
    const PatchFixup *fixup;

    if (nop_length(compare->decoder, live, site->length) == site->length)
        return TRUE;
    if (!target || live[0] == OP_CALL32 || size != site->length)
        return FALSE;
    if (site->arg != PATCH_JUMP_BY_FIXUP)
        return target == compare->va + site->arg;
    fixup = fixup_within(compare->code->fixups, site->offset, site->offset + site->length);
    if (fixup)
        bind(compare, fixup, target - fixup->addend - 4);
    return fixup != NULL;
}

static gboolean
explain_static_call(PatchCompare *compare, const PatchSite *site)
{
    static const guint8 zero_rax[][5] = { { 0x2e, 0x2e, 0x2e, 0x31, 0xc0 }, { 0x66, 0x66, 0x48, 0x31, 0xc0 } };
    static const guint8 ret[] = { OP_RET, OP_INT3, OP_INT3, OP_INT3, OP_INT3 };
    const guint8 *live = compare->live + site->offset;
    gboolean is_tail = site->arg & 1;

    if (site->length < 5)
        return FALSE;
    if (is_text_branch(compare, site, is_tail ? OP_JMP32 : OP_CALL32))
        return TRUE;
    if (is_tail)
        return memcmp(live, ret, sizeof ret) == 0 || (live[0] == OP_TWO_BYTE && (live[1] & 0xf0) == 0x80);
    return nop_length(compare->decoder, live, 5) == 5 || memcmp(live, zero_rax[0], 5) == 0 ||
           memcmp(live, zero_rax[1], 5) == 0;
}

/* [jncc.d8] [lfence] call or jmp *%reg, then int3 and nops. */
static gboolean
is_indirect_branch(PatchCompare *compare, const guint8 *live, gsize length, guint reg)
{
    static const guint8 lfence[] = { 0x0f, 0xae, 0xe8 };
    gsize at = 0;

    if (length == 6 && (live[0] & 0xf0) == 0x70 && live[1] == length - 2)
        at += 2;
    if (length - at >= sizeof lfence && memcmp(live + at, lfence, sizeof lfence) == 0)
        at += sizeof lfence;
    if (reg >= 8 && at < length && live[at++] != 0x41)
        return FALSE;
    if (length - at < 2 || live[at] != 0xff)
        return FALSE;
    if (live[at + 1] != (0xd0 | (reg & 7)) && live[at + 1] != (0xe0 | (reg & 7)))
        return FALSE;
    at += 2;
    while (at < length && live[at] == OP_INT3)
        at++;
    return patch_only_nops(compare->decoder, live + at, length - at);
}

static gboolean
explain_retpoline(PatchCompare *compare, const PatchSite *site)
{
    return is_indirect_branch(compare, compare->live + site->offset, site->length, site->arg);
}

static gboolean
explain_return(PatchCompare *compare, const PatchSite *site)
{
    const guint8 *live = compare->live + site->offset;

    if (is_text_branch(compare, site, OP_JMP32))
        return TRUE;
    if (live[0] != OP_RET)
        return FALSE;
    for (guint32 i = 1; i < site->length; i++)
        if (live[i] != OP_INT3)
            return FALSE;
    return TRUE;
}

static gboolean
explain_endbr(PatchCompare *compare, const PatchSite *site)
{
    static const guint8 endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
    const guint8 *live = compare->live + site->offset;

    return site->length == sizeof endbr64 &&
           (memcmp(live, endbr64, sizeof endbr64) == 0 || nop_length(compare->decoder, live, 4) == 4);
}

static gboolean
is_native_operation(PatchCompare *compare, const PatchSite *site)
{
    const guint8 *live = compare->live + site->offset, *native;
    gsize length;

    native = compare->kernel ? patch_paravirt_native(intro_kernel_btf(compare->kernel), site->arg, &length) : NULL;
    return native && length <= site->length && memcmp(live, native, length) == 0 &&
           patch_only_nops(compare->decoder, live + length, site->length - length);
}

/* A paravirtual operation has become a direct call, or nothing, or, until 5.12, what it does on bare hardware. */
static gboolean
explain_paravirt(PatchCompare *compare, const PatchSite *site)
{
    return is_text_branch(compare, site, OP_CALL32) || is_native_operation(compare, site) ||
           patch_only_nops(compare->decoder, compare->live + site->offset, site->length);
}

gboolean
patch_site_explains(PatchCompare *compare, const PatchSite *site)
{
    const guint8 *live = compare->live + site->offset;

    switch (site->kind) {
    case PATCH_SITE_FTRACE:
        return explain_ftrace(compare, site);
    case PATCH_SITE_ALTERNATIVE:
        return explain_alternative(compare, site);
    case PATCH_SITE_PARAVIRT:
        return explain_paravirt(compare, site);
    case PATCH_SITE_SMP_LOCK:
        return *live == PREFIX_LOCK || *live == PREFIX_DS;
    case PATCH_SITE_JUMP_LABEL:
        return explain_jump_label(compare, site);
    case PATCH_SITE_STATIC_CALL:
        return explain_static_call(compare, site);
    case PATCH_SITE_RETPOLINE:
        return explain_retpoline(compare, site);
    case PATCH_SITE_RETURN:
        return explain_return(compare, site);
    case PATCH_SITE_ENDBR:
        return explain_endbr(compare, site);
    case PATCH_SITE_RUNTIME_CONSTANT:
        return TRUE;        /* any number */
    case PATCH_N_SITE_KINDS:
        break;
    }
    return FALSE;
}
