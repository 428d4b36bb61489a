/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/disassembly.h"

#include <string.h>

#include "patcher/decode.h"
#include "patcher/object.h"

#define MAX_SHOWN 60            /* bytes of a string */
#define MAX_CELLS (16 * 1024 * 1024)    /* pairs of instructions that are compared; beyond, order decides */

static void
insn_free(PatchInsn *insn)
{
    g_free(insn->text);
    g_free(insn->refers);
    g_free(insn);
}

/* --- What instructions refer to */

/* In quotes if it is text, else in hex. */
static char *
show_bytes(const guint8 *bytes, gsize length)
{
    gsize shown = MIN(length, MAX_SHOWN);
    gboolean is_text = length > 1 && bytes[length - 1] == 0;
    GString *hex = g_string_new("0x");

    for (gsize i = 0; is_text && i < length - 1; i++)
        is_text = bytes[i] != 0;
    if (is_text) {
        g_autofree char *text = g_strndup((const char *) bytes, shown);
        g_autofree char *escaped = g_strescape(text, NULL);

        g_string_free(hex, TRUE);
        return g_strdup_printf("\"%s\"%s", escaped, shown < length - 1 ? "..." : "");
    }
    for (gsize i = MIN(length, 16); i > 0; i--)
        g_string_append_printf(hex, "%02x", bytes[i - 1]);
    return g_string_free(hex, FALSE);
}

static char *
with_offset(const char *name, gint64 offset)
{
    return offset ? g_strdup_printf("%s%+" G_GINT64_FORMAT, name, offset) : g_strdup(name);
}

/* The named symbol that covers OFFSET of SYMBOL's section; SYMBOL itself if none does. */
static char *
show_symbol(const PatchObject *object, const PatchSymbol *symbol, gint64 offset)
{
    gint64 at = (gint64) symbol->value + offset;

    for (guint i = 0; symbol->section >= 0 && i < object->symbols->len; i++) {
        const PatchSymbol *other = object->symbols->pdata[i];

        if (other->section == symbol->section && other->size && at >= (gint64) other->value &&
            at < (gint64) (other->value + other->size))
            return with_offset(other->name, at - (gint64) other->value);
    }
    return with_offset(symbol->name, offset);
}

/* TAIL: bytes from the field to the end of its instruction, where relative references count from. */
static char *
show_fixup(const PatchObject *object, const PatchFixup *fixup, guint tail)
{
    gint64 offset = fixup->addend + (patch_reloc_is_pc_relative(fixup->type) ? tail : 0);
    const PatchPiece *piece;
    GBytes *literal;

    if (fixup->target == PATCH_TARGET_SYMBOL)
        return show_symbol(object, object->symbols->pdata[fixup->index], offset);
    if (fixup->target == PATCH_TARGET_LITERAL) {
        literal = object->literals->pdata[fixup->index];
        return show_bytes(g_bytes_get_data(literal, NULL), g_bytes_get_size(literal));
    }
    piece = object->pieces->pdata[fixup->index];
    if (strchr(piece->name, ' '))
        return show_bytes(piece->code->bytes->data, piece->code->bytes->len);
    return with_offset(piece->name, offset);
}

/* --- Instructions */

typedef struct {
    const PatchObject *object;
    const PatchCode *code;
    guint next_fixup, next_site;
} Reader;

/* The fixup in the LENGTH bytes at OFFSET, and what it says; "" if there is none. */
static char *
reference_in(Reader *reader, guint32 offset, guint32 length)
{
    GArray *fixups = reader->code->fixups;
    const PatchFixup *found = NULL;

    for (; reader->next_fixup < fixups->len; reader->next_fixup++) {
        const PatchFixup *fixup = &g_array_index(fixups, PatchFixup, reader->next_fixup);

        if (fixup->offset >= offset + length)
            break;
        found = fixup;
    }
    return found ? show_fixup(reader->object, found, offset + length - found->offset) : g_strdup("");
}

static const char *
site_at(Reader *reader, guint32 offset, guint32 length)
{
    const GPtrArray *sites = reader->code->sites;
    const char *name = NULL;

    for (; reader->next_site < sites->len; reader->next_site++) {
        const PatchSite *site = sites->pdata[reader->next_site];

        if (site->offset >= offset + length)
            break;
        name = patch_site_kind_name(site->kind);
    }
    return name;
}

/* What is filled in is not shown as the zeros or the address that stand there. */
static char *
text_of(const cs_insn *insn, gboolean has_reference)
{
    gboolean is_branch = has_reference && (insn->mnemonic[0] == 'j' || g_str_has_prefix(insn->mnemonic, "call")) &&
                         g_ascii_isdigit(insn->op_str[0]);

    return g_strdup_printf("%s%s%s", insn->mnemonic, *insn->op_str && !is_branch ? " " : "", is_branch ? "" : insn->op_str);
}

static void
add_insn(Reader *reader, GPtrArray *insns, guint32 offset, guint32 length, const cs_insn *insn)
{
    PatchInsn *added = g_new0(PatchInsn, 1);

    added->offset = offset;
    added->length = length;
    added->refers = reference_in(reader, offset, length);
    added->site = site_at(reader, offset, length);
    added->text = insn ? text_of(insn, *added->refers) : g_strdup_printf(".byte %#04x", reader->code->bytes->data[offset]);
    g_ptr_array_add(insns, added);
}

GPtrArray *
patch_disassemble(const PatchObject *object, const PatchCode *code)
{
    GPtrArray *insns = g_ptr_array_new_with_free_func((GDestroyNotify) insn_free);
    Reader reader = { .object = object, .code = code };
    const guint8 *bytes = code ? code->bytes->data : NULL;
    gsize left = code ? code->bytes->len : 0;
    guint64 address = 0;
    cs_insn *insn;
    csh decoder;

    if (!left || cs_open(CS_ARCH_X86, CS_MODE_64, &decoder) != CS_ERR_OK)
        return insns;
    cs_option(decoder, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
    insn = cs_malloc(decoder);
    while (left) {
        guint32 offset = address;

        if (patch_decode_next(decoder, &bytes, &left, &address, insn)) {
            add_insn(&reader, insns, offset, insn->size, insn);
            continue;
        }
        add_insn(&reader, insns, offset, 1, NULL);
        bytes++;
        left--;
        address++;
    }
    cs_free(insn, 1);
    cs_close(&decoder);
    return insns;
}

/* --- Side by side */

/* Where within the function a jump goes is no difference: it moves with what is between. */
static gboolean
is_same(const PatchInsn *old_insn, const PatchInsn *new_insn)
{
    gsize mnemonic = strcspn(old_insn->text, " ");

    if (!g_str_equal(old_insn->refers, new_insn->refers))
        return FALSE;
    if (old_insn->text[0] == 'j' && old_insn->text[mnemonic] && g_ascii_isdigit(old_insn->text[mnemonic + 1]))
        return strncmp(old_insn->text, new_insn->text, mnemonic + 1) == 0 && g_ascii_isdigit(new_insn->text[mnemonic + 1]);
    return g_str_equal(old_insn->text, new_insn->text);
}

static void
add_pair(GArray *pairs, gint old_insn, gint new_insn, gboolean same)
{
    PatchInsnPair pair = { old_insn, new_insn, same };

    g_array_append_val(pairs, pair);
}

/* How many instructions at the start, or else at the end, are the same. */
static guint
common(const GPtrArray *old_insns, const GPtrArray *new_insns, guint limit, gboolean from_end)
{
    guint n = 0;

    for (; n < limit; n++)
        if (!is_same(old_insns->pdata[from_end ? old_insns->len - 1 - n : n],
                     new_insns->pdata[from_end ? new_insns->len - 1 - n : n]))
            break;
    return n;
}

/* For the ROWS old and COLUMNS new instructions from START on: how long the longest row of equal ones in both is, from
 * each pair on. */
static guint16 *
longest_rows(const GPtrArray *old_insns, const GPtrArray *new_insns, guint start, guint rows, guint columns)
{
    guint16 *longest = g_new0(guint16, (gsize) (rows + 1) * (columns + 1));

    for (guint i = rows; i > 0; i--)
        for (guint j = columns; j > 0; j--) {
            guint16 *cell = &longest[(gsize) (i - 1) * (columns + 1) + j - 1];

            if (is_same(old_insns->pdata[start + i - 1], new_insns->pdata[start + j - 1]))
                *cell = MIN(cell[columns + 2] + 1u, G_MAXUINT16);
            else
                *cell = MAX(cell[1], cell[columns + 1]);
        }
    return longest;
}

static void
align_middle(GArray *pairs, const GPtrArray *old_insns, const GPtrArray *new_insns, guint start, guint rows, guint columns)
{
    g_autofree guint16 *longest = (guint64) (rows + 1) * (columns + 1) <= MAX_CELLS
                                      ? longest_rows(old_insns, new_insns, start, rows, columns) : NULL;
    guint i = 0, j = 0;

    while (i < rows || j < columns) {
        const guint16 *cell = longest ? &longest[(gsize) i * (columns + 1) + j] : NULL;

        if (i < rows && j < columns && is_same(old_insns->pdata[start + i], new_insns->pdata[start + j])) {
            add_pair(pairs, start + i, start + j, TRUE);
            i++;
            j++;
        } else if (i < rows && (j == columns || !cell || cell[columns + 1] >= cell[1])) {
            add_pair(pairs, start + i++, -1, FALSE);
        } else {
            add_pair(pairs, -1, start + j++, FALSE);
        }
    }
}

GArray *
patch_disassembly_align(const GPtrArray *old_insns, const GPtrArray *new_insns)
{
    GArray *pairs = g_array_new(FALSE, FALSE, sizeof(PatchInsnPair));
    guint shorter = MIN(old_insns->len, new_insns->len);
    guint head = common(old_insns, new_insns, shorter, FALSE);
    guint tail = common(old_insns, new_insns, shorter - head, TRUE);
    guint rows = old_insns->len - head - tail, columns = new_insns->len - head - tail;

    for (guint i = 0; i < head; i++)
        add_pair(pairs, i, i, TRUE);
    align_middle(pairs, old_insns, new_insns, head, rows, columns);
    for (guint i = 0; i < tail; i++)
        add_pair(pairs, head + rows + i, head + columns + i, TRUE);
    return pairs;
}

/* --- What there is */

static const char *
function_name(const PatchObject *object, guint32 function)
{
    const PatchOldFunction *old = object->functions->pdata[function];

    return ((const PatchSymbol *) object->symbols->pdata[old->symbol])->name;
}

static void
add_code(GArray *pairs, const char *name, const PatchCode *old_code, const PatchCode *new_code)
{
    PatchCodePair pair = { name, old_code, new_code };

    g_array_append_val(pairs, pair);
}

/* The new code of the function's part NAME, if it has such a part still. */
static const PatchCode *
take_piece(const PatchObject *object, guint8 *taken, const char *name)
{
    for (guint i = 0; i < object->pieces->len; i++) {
        const PatchPiece *piece = object->pieces->pdata[i];

        if (!taken[i] && piece->kind == PATCH_PIECE_TEXT && g_str_equal(piece->name, name)) {
            taken[i] = 1;
            return piece->code;
        }
    }
    return NULL;
}

GArray *
patch_code_pairs(const PatchObject *object)
{
    GArray *pairs = g_array_new(FALSE, FALSE, sizeof(PatchCodePair));
    g_autofree guint8 *taken = g_malloc0(object->pieces->len + 1);

    for (guint i = 0; i < object->replacements->len; i++) {
        const PatchReplacement *replacement = object->replacements->pdata[i];
        const PatchOldFunction *function = object->functions->pdata[replacement->function];
        const PatchPiece *piece = object->pieces->pdata[replacement->piece];

        taken[replacement->piece] = 1;
        add_code(pairs, function_name(object, replacement->function), function->code, piece->code);
        for (guint j = 0; j < replacement->parts->len; j++) {
            guint32 part = g_array_index(replacement->parts, guint32, j);
            const char *name = function_name(object, part);

            add_code(pairs, name, ((const PatchOldFunction *) object->functions->pdata[part])->code,
                     take_piece(object, taken, name));
        }
    }
    for (guint i = 0; i < object->pieces->len; i++) {
        const PatchPiece *piece = object->pieces->pdata[i];

        if (!taken[i] && piece->kind == PATCH_PIECE_TEXT)
            add_code(pairs, piece->name, NULL, piece->code);
    }
    return pairs;
}
