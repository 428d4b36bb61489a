/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/value-text.h"

#include <string.h>

#define MAX_SHOWN_BYTES 16

static char *
hex_text(const guint8 *bytes, gsize length)
{
    GString *text = g_string_new(NULL);

    for (gsize i = 0; i < MIN(length, MAX_SHOWN_BYTES); i++)
        g_string_append_printf(text, "%s%02x", i ? " " : "", bytes[i]);
    if (length > MAX_SHOWN_BYTES)
        g_string_append_printf(text, " ... (%" G_GSIZE_FORMAT " bytes)", length);
    return g_string_free(text, FALSE);
}

/* The bits that count are one stretch. */
static char *
number_text(gboolean is_signed, const guint8 *mask, const guint8 *bytes, gsize length)
{
    guint64 number = 0, bits = 0;
    guint n_bits;

    memcpy(&number, bytes, length);
    memset(&bits, 0xff, length);
    if (mask)
        memcpy(&bits, mask, length);
    number = GUINT64_FROM_LE(number);
    bits = GUINT64_FROM_LE(bits);
    for (; bits && !(bits & 1); bits >>= 1)
        number >>= 1;
    number &= bits;
    n_bits = bits ? g_bit_storage(bits) : 1;
    if (is_signed && number >> (n_bits - 1) & 1)
        return g_strdup_printf("%" G_GINT64_FORMAT, (gint64) (number | ~bits));
    return g_strdup_printf(number < 0x10000 || is_signed ? "%" G_GUINT64_FORMAT : "%#" G_GINT64_MODIFIER "x", number);
}

char *
patch_value_text(PatchForm form, const guint8 *mask, const guint8 *bytes, gsize length)
{
    if (form == PATCH_FORM_TEXT) {
        g_autofree char *text = g_strndup((const char *) bytes, MIN(length, 4 * MAX_SHOWN_BYTES));
        g_autofree char *escaped = g_strescape(text, NULL);

        return g_strdup_printf("\"%s\"", escaped);
    }
    if (form == PATCH_FORM_BYTES || length > sizeof(guint64))
        return hex_text(bytes, length);
    return number_text(form == PATCH_FORM_SIGNED, mask, bytes, length);
}

char *
patch_value_bytes_text(const PatchValue *value, const guint8 *bytes)
{
    return patch_value_text(value->form, g_bytes_get_data(value->mask, NULL), bytes, g_bytes_get_size(value->after));
}

/* What a pointer leads to: a string, or something that has a name. */
static char *
reference_text(const PatchObject *object, const PatchFixup *fixup)
{
    const char *name = NULL;

    if (fixup->target == PATCH_TARGET_LITERAL) {
        gsize length;
        const guint8 *bytes = g_bytes_get_data(object->literals->pdata[fixup->index], &length);

        return patch_value_text(PATCH_FORM_TEXT, NULL, bytes, length);
    }
    if (fixup->target == PATCH_TARGET_SYMBOL) {
        name = ((const PatchSymbol *) object->symbols->pdata[fixup->index])->name;
    } else {
        const PatchPiece *piece = object->pieces->pdata[fixup->index];

        if (piece->kind == PATCH_PIECE_RODATA && piece->code->fixups->len == 0 && fixup->addend == 0)
            return patch_value_text(PATCH_FORM_TEXT, NULL, piece->code->bytes->data, piece->code->bytes->len);
        name = piece->name;
    }
    return fixup->addend ? g_strdup_printf("&%s%+" G_GINT64_FORMAT, name, fixup->addend) : g_strdup_printf("&%s", name);
}

char *
patch_datum_text(const PatchObject *object, const PatchDatum *datum, const PatchCode *value)
{
    if (value->fixups->len == 1 && value->bytes->len == sizeof(guint64))
        return reference_text(object, &g_array_index(value->fixups, PatchFixup, 0));
    if (value->fixups->len > 0)
        return g_strdup_printf("%u bytes with references", value->bytes->len);
    return patch_value_text(datum->form, datum->mask->len > 0 ? datum->mask->data : NULL, value->bytes->data,
                            value->bytes->len);
}
