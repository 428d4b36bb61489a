/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/decode.h"

#include <string.h>

typedef struct {
    guint8 bytes[5];
    guint8 length;
    const char *mnemonic;
} Unknown;

static const Unknown unknown[] = {
    { { 0x0f, 0x01, 0xe8 }, 3, "serialize" },
    { { 0x0f, 0x01, 0xee }, 3, "rdpkru" },
    { { 0x0f, 0x01, 0xef }, 3, "wrpkru" },
    { { 0x0f, 0x01, 0xfa }, 3, "monitorx" },
    { { 0x0f, 0x01, 0xfb }, 3, "mwaitx" },
    { { 0xf2, 0x0f, 0x01, 0xff }, 4, "pvalidate" },
    { { 0xf3, 0x0f, 0x01, 0xfe }, 4, "rmpadjust" },
    { { 0xf3, 0x0f, 0x01, 0xff }, 4, "psmash" },
    { { 0xc4, 0xe2, 0x78, 0x49, 0xc0 }, 5, "tilerelease" },
};

/* Those two have any register for operand. */
static gboolean
is_for_waiting(const guint8 *code, gsize left, const char **mnemonic)
{
    if (left < 4 || code[1] != 0x0f || code[2] != 0xae || code[3] < 0xf0 || code[3] > 0xf7)
        return FALSE;
    if (code[0] != 0x66 && code[0] != 0xf3)
        return FALSE;
    *mnemonic = code[0] == 0x66 ? "tpause" : "umonitor";
    return TRUE;
}

static gboolean
find_unknown(const guint8 *code, gsize left, gsize *length, const char **mnemonic)
{
    for (guint i = 0; i < G_N_ELEMENTS(unknown); i++)
        if (left >= unknown[i].length && memcmp(code, unknown[i].bytes, unknown[i].length) == 0) {
            *length = unknown[i].length;
            *mnemonic = unknown[i].mnemonic;
            return TRUE;
        }
    *length = 4;
    return is_for_waiting(code, left, mnemonic);
}

gboolean
patch_decode_next(csh decoder, const guint8 **code, gsize *left, guint64 *address, cs_insn *insn)
{
    const char *mnemonic;
    gsize length;

    if (cs_disasm_iter(decoder, code, left, address, insn))
        return TRUE;
    if (!find_unknown(*code, *left, &length, &mnemonic))
        return FALSE;
    insn->id = X86_INS_INVALID;
    insn->address = *address;
    insn->size = length;
    memcpy(insn->bytes, *code, length);
    g_strlcpy(insn->mnemonic, mnemonic, sizeof insn->mnemonic);
    insn->op_str[0] = '\0';
    if (insn->detail)
        memset(insn->detail, 0, sizeof *insn->detail);
    *code += length;
    *left -= length;
    *address += length;
    return TRUE;
}
