/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/introspect/kallsyms-writer.h"

#include <string.h>

#define N_TOKENS 256

typedef struct {
    const WriterSymbol *symbols;
    guint32 n_symbols;
    WriterOrder order;
    WriterEncoding encoding;
    GuestVa va, base;
    GByteArray *bytes;
    WriterPositions positions;
    char tokens[N_TOKENS][64];
} Writer;

static void
align(Writer *writer)
{
    static const guint8 zeros[8];

    g_byte_array_append(writer->bytes, zeros,
                        -writer->bytes->len % (writer->order == WRITER_OFFSETS_LAST_PACKED ? 4 : 8));
}

static void
put_u32(Writer *writer, guint32 value)
{
    value = GUINT32_TO_LE(value);
    g_byte_array_append(writer->bytes, (const guint8 *) &value, sizeof value);
}

static void
put_u64(Writer *writer, guint64 value)
{
    value = GUINT64_TO_LE(value);
    g_byte_array_append(writer->bytes, (const guint8 *) &value, sizeof value);
}

/* Letters stand for themselves, a few other bytes for longer pieces, the rest for nothing. */
static void
make_tokens(Writer *writer)
{
    for (guint i = 0; i < N_TOKENS; i++)
        if (g_ascii_isgraph(i))
            writer->tokens[i][0] = (char) i;
    strcpy(writer->tokens[1], "symbol_");
    strcpy(writer->tokens[2], "Tsymbol_");
    strcpy(writer->tokens[254], "0");
    strcpy(writer->tokens[255], "a_token_of_more_than_sixteen_letters");
}

static guint8
longest_token(const Writer *writer, const char *text)
{
    gsize longest = 0;
    guint8 best = 0;

    for (guint i = 0; i < N_TOKENS; i++) {
        gsize length = strlen(writer->tokens[i]);

        if (length > longest && strncmp(text, writer->tokens[i], length) == 0) {
            longest = length;
            best = (guint8) i;
        }
    }
    g_assert_cmpuint(longest, >, 0);
    return best;
}

static void
put_name(Writer *writer, const WriterSymbol *symbol)
{
    g_autofree char *text = g_strdup_printf("%c%s", symbol->type, symbol->name);
    g_autoptr(GByteArray) packed = g_byte_array_new();
    guint8 low, high;

    for (const char *at = text; *at != '\0'; at += strlen(writer->tokens[packed->data[packed->len - 1]])) {
        guint8 token = longest_token(writer, at);

        g_byte_array_append(packed, &token, 1);
    }
    low = packed->len > 0x7f ? (packed->len & 0x7f) | 0x80 : packed->len;
    high = packed->len >> 7;
    g_byte_array_append(writer->bytes, &low, 1);
    if (packed->len > 0x7f)
        g_byte_array_append(writer->bytes, &high, 1);
    g_byte_array_append(writer->bytes, packed->data, packed->len);
}

static guint32
encode(const Writer *writer, const WriterSymbol *symbol)
{
    switch (writer->encoding) {
    case WRITER_FROM_BASE:
        return (guint32) (symbol->va - writer->base);
    case WRITER_ABSOLUTE_PER_CPU:
        return symbol->va < writer->base ? (guint32) symbol->va : (guint32) (writer->base - symbol->va - 1);
    case WRITER_FROM_PLACE:
        return (guint32) (symbol->va - (writer->va + writer->bytes->len));
    case WRITER_N_ENCODINGS:
        break;
    }
    g_assert_not_reached();
}

static void
put_offsets(Writer *writer)
{
    align(writer);
    writer->positions.offsets = writer->bytes->len;
    for (guint32 i = 0; i < writer->n_symbols; i++)
        put_u32(writer, encode(writer, &writer->symbols[i]));
    if (writer->encoding == WRITER_FROM_PLACE)
        return;
    align(writer);
    put_u64(writer, writer->base);
}

static void
put_names(Writer *writer)
{
    g_autoptr(GArray) markers = g_array_new(FALSE, FALSE, sizeof(guint32));

    align(writer);
    writer->positions.number = writer->bytes->len;
    put_u32(writer, writer->n_symbols);
    align(writer);
    writer->positions.names = writer->bytes->len;
    for (guint32 i = 0; i < writer->n_symbols; i++) {
        guint32 marker = (guint32) (writer->bytes->len - writer->positions.names);

        if (i % 256 == 0)
            g_array_append_val(markers, marker);
        put_name(writer, &writer->symbols[i]);
    }
    align(writer);
    writer->positions.markers = writer->bytes->len;
    for (guint i = 0; i < markers->len; i++)
        put_u32(writer, g_array_index(markers, guint32, i));
}

static void
put_order_of_names(Writer *writer)
{
    align(writer);
    for (guint32 i = 0; i < writer->n_symbols; i++) {
        guint8 triple[] = { (guint8) (i >> 16), (guint8) (i >> 8), (guint8) i };

        g_byte_array_append(writer->bytes, triple, sizeof triple);
    }
}

static void
put_tokens(Writer *writer)
{
    guint16 index[N_TOKENS];

    align(writer);
    writer->positions.token_table = writer->bytes->len;
    for (guint i = 0; i < N_TOKENS; i++) {
        index[i] = GUINT16_TO_LE((guint16) (writer->bytes->len - writer->positions.token_table));
        g_byte_array_append(writer->bytes, (const guint8 *) writer->tokens[i], (guint) strlen(writer->tokens[i]) + 1);
    }
    align(writer);
    writer->positions.token_index = writer->bytes->len;
    g_byte_array_append(writer->bytes, (const guint8 *) index, sizeof index);
}

/* The lowest address that is not of a per-CPU symbol. */
static GuestVa
lowest_base(const Writer *writer)
{
    for (guint32 i = 0; i < writer->n_symbols; i++)
        if ((gint64) writer->symbols[i].va < 0)
            return writer->symbols[i].va;
    return 0;
}

GByteArray *
kallsyms_write(const WriterSymbol *symbols, guint32 n_symbols, WriterOrder order, WriterEncoding encoding, GuestVa va,
               gsize before, WriterPositions *positions)
{
    Writer writer = {
        .symbols = symbols, .n_symbols = n_symbols, .order = order, .encoding = encoding, .va = va,
        .bytes = g_byte_array_new(),
    };

    writer.base = lowest_base(&writer);
    make_tokens(&writer);
    for (gsize i = 0; i < before; i++)
        g_byte_array_append(writer.bytes, (const guint8[]) { (guint8) (i * 31 + i / 7) }, 1);
    if (order < WRITER_OFFSETS_LAST)
        put_offsets(&writer);
    put_names(&writer);
    if (order == WRITER_OFFSETS_FIRST_SEQS)
        put_order_of_names(&writer);
    put_tokens(&writer);
    if (order >= WRITER_OFFSETS_LAST) {
        put_offsets(&writer);
        put_order_of_names(&writer);
    }
    if (positions != NULL)
        *positions = writer.positions;
    return writer.bytes;
}
