/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/entry.h"

#include <capstone/capstone.h>
#include <string.h>

#include "patcher/error.h"

#define JUMP_BYTES 5
#define MAX_INSTRUCTION_BYTES 15
#define PADDING 0xcc            /* int3 */

/* Behind ENDBR and the ftrace site, which stay in use. */
static guint32
jump_offset(const PatchCode *code)
{
    static const guint8 endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
    guint32 offset = code->bytes->len >= 4 && memcmp(code->bytes->data, endbr64, 4) == 0 ? 4 : 0;

    for (guint i = 0; i < code->sites->len; i++) {
        const PatchSite *site = code->sites->pdata[i];

        if (site->kind == PATCH_SITE_FTRACE && site->offset == offset)
            return offset + site->length;
    }
    return offset;
}

/* Where there is one CPU, lock prefixes are off, and the kernel puts them back when it gets another one. */
static gboolean
check_lock_prefixes(const IntroKernel *kernel, const PatchCode *code, guint32 offset, guint32 end, const char *name,
                    GError **error)
{
    gboolean has_one = FALSE;
    guint8 off = 0;
    GuestVa va;

    for (guint i = 0; i < code->sites->len; i++) {
        const PatchSite *site = code->sites->pdata[i];

        has_one = has_one || (site->kind == PATCH_SITE_SMP_LOCK && site->offset >= offset && site->offset < end);
    }
    if (has_one && intro_symbols_address(intro_kernel_symbols(kernel), "uniproc_patched", &va, NULL) &&
        !intro_space_read(intro_kernel_space(kernel), va, &off, sizeof off, error))
        return FALSE;
    if (off)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "%s cannot be replaced while the guest has one CPU: it begins with a lock prefix, which the kernel "
                    "rewrites when it gets another one; patch its callers instead", name);
    return !off;
}

/* Bytes of the instruction at AT, of LENGTH at most; 0 if there is none. IS_PADDING: it is one of those that are put
 * between functions. */
static gsize
decode(csh decoder, const guint8 *at, gsize length, gboolean *is_padding)
{
    cs_insn *insn;
    gsize size = 0;

    if (length > 0 && cs_disasm(decoder, at, length, 0, 1, &insn) == 1) {
        size = insn->size;
        *is_padding = insn->id == X86_INS_NOP || insn->id == X86_INS_INT3;
        cs_free(insn, 1);
    }
    return size;
}

/* Bytes of the whole instructions at AT that make room for a jump: of the function, which has CODE_BYTES from there on, and
 * of the padding behind it. 0 if there is no room. */
static gsize
room_for_jump(const guint8 *at, gsize length, gsize code_bytes)
{
    csh decoder;
    gsize end = 0, size = 1;
    gboolean is_padding = FALSE;

    if (cs_open(CS_ARCH_X86, CS_MODE_64, &decoder) != CS_ERR_OK)
        return 0;
    while (end < JUMP_BYTES && size > 0) {
        size = decode(decoder, at + end, length - end, &is_padding);
        if (end >= code_bytes && !is_padding)
            size = 0;
        end += size;
    }
    cs_close(&decoder);
    return end >= JUMP_BYTES ? end : 0;
}

/* Bytes from VA on that belong to the function at START or to what lies between it and the next symbol. */
static gsize
bytes_before_next(const IntroKernel *kernel, GuestVa start, GuestVa va)
{
    const IntroSymbol *symbol = intro_symbols_at(intro_kernel_symbols(kernel), start, NULL);

    return symbol && symbol->va == start && va - start < symbol->size ? symbol->size - (va - start) : 0;
}

/* LENGTH bytes: the jump, and breakpoints behind it, which are never reached. NULL if it cannot reach that far. */
static GBytes *
jump_code(GuestVa from, GuestVa to, gsize length)
{
    guint8 bytes[JUMP_BYTES + MAX_INSTRUCTION_BYTES];
    gint64 distance = (gint64) (to - (from + JUMP_BYTES));
    gint32 field = GINT32_TO_LE((gint32) distance);

    if (distance != (gint32) distance)
        return NULL;
    memset(bytes, PADDING, sizeof bytes);
    bytes[0] = 0xe9;
    memcpy(bytes + 1, &field, sizeof field);
    return g_bytes_new(bytes, length);
}

/* The kernel's own code at the jump: whole instructions, so that one who decodes it later finds their borders. */
static GBytes *
read_place(const IntroKernel *kernel, const PatchArena *arena, const PatchJump *jump, GError **error)
{
    guint8 bytes[JUMP_BYTES + MAX_INSTRUCTION_BYTES];
    gsize code_bytes = jump->size - MIN(jump->size, jump->jump_va - jump->va), room;
    gsize length = MIN(MAX(code_bytes, bytes_before_next(kernel, jump->va, jump->jump_va)), sizeof bytes);

    if (!intro_space_read(intro_kernel_space(kernel), jump->jump_va, bytes, length, error))
        return NULL;
    patch_arena_take_jumps_out(arena, jump->jump_va, bytes, length);
    room = room_for_jump(bytes, length, code_bytes);
    if (room == 0)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "%s is too short to be replaced: it has no room for a jump", jump->name);
    return room == 0 ? NULL : g_bytes_new(bytes, room);
}

gboolean
patch_entry_fill(const IntroKernel *kernel, const PatchArena *arena, const PatchCode *code, PatchJump *jump,
                 GError **error)
{
    guint32 offset = jump_offset(code);

    jump->jump_va = jump->va + offset;
    jump->before = read_place(kernel, arena, jump, error);
    if (!jump->before || !check_lock_prefixes(kernel, code, offset, offset + g_bytes_get_size(jump->before), jump->name,
                                              error))
        return FALSE;
    jump->size = MAX(jump->size, offset + g_bytes_get_size(jump->before));
    jump->jump = jump_code(jump->jump_va, jump->replacement_va, g_bytes_get_size(jump->before));
    if (!jump->jump)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "%s, at %#" G_GINT64_MODIFIER "x, is too far away from where there is room for its replacement",
                    jump->name, jump->va);
    return jump->jump != NULL;
}
