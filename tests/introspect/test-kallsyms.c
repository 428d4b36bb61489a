/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "introspect/kallsyms.h"
#include "tests/introspect/kallsyms-writer.h"

#define IMAGE_START 0xffffffff9ae00000ULL
#define PART_VA     (IMAGE_START + 0x1000000)
#define N_SYMBOLS   1500
#define N_PER_CPU   300
#define DECOY_TOKEN_BYTES 200
#define DECOY_BYTES (256 * DECOY_TOKEN_BYTES + 1024 + 512)

/* Some per-CPU ones, some aliases, one name longer than 127 letters, one of many equal ones, one with no name. */
static WriterSymbol *
make_symbols(gboolean per_cpu)
{
    WriterSymbol *symbols = g_new0(WriterSymbol, N_SYMBOLS);
    g_autofree char *long_name = g_strnfill(200, 'd');

    for (guint i = 0; i < N_SYMBOLS; i++) {
        g_autofree char *name = g_strdup_printf(i % 3 == 0 ? "symbol_%u" : "a_token_of_more_than_sixteen_letters%u", i);

        symbols[i].va = per_cpu && i < N_PER_CPU ? i * 8 : IMAGE_START + i / 2 * 16;
        symbols[i].type = i % 5 == 0 ? 'd' : 'T';
        symbols[i].name = g_intern_string(i % 100 == 7 ? "twin" : name);
    }
    symbols[600].name = g_intern_string(long_name);
    symbols[700].name = "";
    return symbols;
}

static IntroSymbolGroup *
find(const GByteArray *bytes, gsize length, GError **error)
{
    IntroImagePart part = { bytes->data, length, PART_VA, IMAGE_START };

    return intro_kallsyms_find(&part, error);
}

static void
check_found(const IntroSymbolGroup *group, const WriterSymbol *expected)
{
    g_assert_cmpuint(group->symbols->len, ==, N_SYMBOLS - 1);
    for (guint i = 0; i < group->symbols->len; i++) {
        const WriterSymbol *symbol = expected + (i < 700 ? i : i + 1);
        const IntroSymbol *found = &g_array_index(group->symbols, IntroSymbol, i);

        g_assert_cmphex(found->va, ==, symbol->va);
        g_assert_cmpstr(found->name, ==, symbol->name);
        g_assert_cmpint(found->type, ==, symbol->type);
    }
}

static void
test_all_forms(void)
{
    for (guint order = 0; order < WRITER_N_ORDERS; order++)
        for (guint encoding = 0; encoding < WRITER_N_ENCODINGS; encoding++) {
            g_autofree WriterSymbol *symbols = make_symbols(encoding == WRITER_ABSOLUTE_PER_CPU);
            g_autoptr(GByteArray) bytes = NULL;
            g_autoptr(IntroSymbolGroup) group = NULL;
            g_autoptr(GError) error = NULL;

            if ((encoding == WRITER_FROM_PLACE && order < WRITER_OFFSETS_LAST)
                || (encoding != WRITER_FROM_PLACE && order == WRITER_OFFSETS_LAST_PACKED))
                continue;
            bytes = kallsyms_write(symbols, N_SYMBOLS, (WriterOrder) order, (WriterEncoding) encoding, PART_VA, 12345,
                                   NULL);
            group = find(bytes, bytes->len, &error);
            g_assert_no_error(error);
            check_found(group, symbols);
        }
}

/* A table that is not all there is none, wherever it ends. */
static void
test_truncated(void)
{
    for (guint order = 0; order <= WRITER_OFFSETS_LAST; order++) {
        g_autofree WriterSymbol *symbols = make_symbols(TRUE);
        WriterPositions at;
        g_autoptr(GByteArray) bytes = kallsyms_write(symbols, N_SYMBOLS, (WriterOrder) order,
                                                     WRITER_ABSOLUTE_PER_CPU, PART_VA, 800, &at);
        gsize last = order == WRITER_OFFSETS_LAST ? at.offsets + N_SYMBOLS * 4 + 8 : at.token_index + 512;

        for (gsize length = 0; length < last; length += 97) {
            g_autoptr(GError) error = NULL;
            /* A copy of just that length, so that reads beyond it are seen. */
            g_autofree guint8 *copy = g_memdup2(bytes->data, length);
            IntroImagePart part = { copy, length, PART_VA, IMAGE_START };

            g_assert_null(intro_kallsyms_find(&part, &error));
            g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND);
        }
    }
}

typedef struct {
    const char *what;
    gsize field;                /* of WriterPositions */
    gsize offset;               /* bytes behind that */
    guint8 value;
} Damage;

static const Damage damages[] = {
    { "more symbols than names", G_STRUCT_OFFSET(WriterPositions, number), 1, 0xff },
    { "an impossible number of symbols", G_STRUCT_OFFSET(WriterPositions, number), 3, 0xff },
    { "a name of no length", G_STRUCT_OFFSET(WriterPositions, names), 0, 0 },
    { "a name that goes on and on", G_STRUCT_OFFSET(WriterPositions, names), 0, 0xff },
    { "a marker elsewhere", G_STRUCT_OFFSET(WriterPositions, markers), 5, 0x77 },
    { "a token that does not end", G_STRUCT_OFFSET(WriterPositions, token_table), 0, 'x' },
    { "a token of control characters", G_STRUCT_OFFSET(WriterPositions, token_table), 2, 0x1b },
    { "tokens in no order", G_STRUCT_OFFSET(WriterPositions, token_index), 100, 0 },
    { "addresses in no order", G_STRUCT_OFFSET(WriterPositions, offsets), 3203, 0x70 },
};

static void
test_damaged(gconstpointer data)
{
    const Damage *damage = data;
    g_autofree WriterSymbol *symbols = make_symbols(TRUE);

    for (guint order = 0; order <= WRITER_OFFSETS_LAST; order++) {
        WriterPositions at;
        g_autoptr(GByteArray) bytes = kallsyms_write(symbols, N_SYMBOLS, (WriterOrder) order,
                                                     WRITER_ABSOLUTE_PER_CPU, PART_VA, 0, &at);
        gsize position = G_STRUCT_MEMBER(gsize, &at, damage->field) + damage->offset;
        g_autoptr(GError) error = NULL;

        g_assert_cmpuint(bytes->data[position], !=, damage->value);
        bytes->data[position] = damage->value;
        g_assert_null(find(bytes, bytes->len, &error));
        g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND);
    }
}

/* Bytes that look like the beginning of tables everywhere do not keep us busy. */
static void
test_decoys(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GError) error = NULL;

    for (guint table = 0; table < 2000; table++) {
        guint8 tokens[N_SYMBOLS] = { 0 };
        guint16 index[256];

        for (guint i = 0; i < 256; i++)
            index[i] = GUINT16_TO_LE((guint16) i);
        g_byte_array_append(bytes, tokens, 256);
        g_byte_array_append(bytes, (const guint8 *) index, sizeof index);
    }
    g_assert_null(find(bytes, bytes->len, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND);
}

/* At AT, what looks like long tokens wherever one begins to look, and never ends as tokens do; and their index. */
static gsize
put_decoy(guint8 *bytes, gsize at)
{
    const gsize length = 256 * DECOY_TOKEN_BYTES + 1024;

    for (gsize i = 0; i < length; i++)
        bytes[at + i] = (i + 1) % DECOY_TOKEN_BYTES == 0 ? '\0' : 'x';
    bytes[at + length - 1] = '\1';
    for (guint i = 0; i < 256; i++) {
        const guint16 position = GUINT16_TO_LE((guint16) (i * DECOY_TOKEN_BYTES));

        memcpy(bytes + at + length + i * sizeof position, &position, sizeof position);
    }
    return at + length + 256 * sizeof(guint16);
}

/* Each look at one takes as long as its tokens are. Behind a few, tables are found; behind many, nobody looks any more. */
static void
test_long_decoys(void)
{
    static const guint n_decoys[] = { 1, 8 };
    g_autofree WriterSymbol *symbols = make_symbols(FALSE);

    for (gsize i = 0; i < G_N_ELEMENTS(n_decoys); i++) {
        g_autoptr(GByteArray) bytes = kallsyms_write(symbols, N_SYMBOLS, WRITER_OFFSETS_LAST, WRITER_FROM_BASE, PART_VA,
                                                     8 * DECOY_BYTES, NULL);
        g_autoptr(IntroSymbolGroup) group = NULL;
        gsize at = 0;

        for (guint n = 0; n < n_decoys[i]; n++)
            at = put_decoy(bytes->data, at);
        g_assert_cmpuint(at, <=, 8 * DECOY_BYTES);
        group = find(bytes, bytes->len, NULL);
        g_assert_cmpint(group != NULL, ==, n_decoys[i] == 1);
    }
}

static void
test_nothing(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GError) error = NULL;

    g_assert_null(find(bytes, 0, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND);
    g_clear_error(&error);
    g_byte_array_set_size(bytes, 1 << 20);
    memset(bytes->data, 0, bytes->len);
    g_assert_null(find(bytes, bytes->len, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND);
    g_clear_error(&error);
    memset(bytes->data, 0xff, bytes->len);
    g_assert_null(find(bytes, bytes->len, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kallsyms/all-forms", test_all_forms);
    g_test_add_func("/kallsyms/truncated", test_truncated);
    for (gsize i = 0; i < G_N_ELEMENTS(damages); i++) {
        g_autofree char *path = g_strconcat("/kallsyms/damaged/", damages[i].what, NULL);

        g_test_add_data_func(path, &damages[i], test_damaged);
    }
    g_test_add_func("/kallsyms/decoys", test_decoys);
    g_test_add_func("/kallsyms/long-decoys", test_long_decoys);
    g_test_add_func("/kallsyms/nothing", test_nothing);
    return g_test_run();
}
