/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Symbol tables. Bytes made up from nothing would never look like tables, so good ones are damaged: the input is a byte
 * of options, and then any number of positions (3 bytes) and new values (1 byte).
 */
#include <string.h>

#include "introspect/kallsyms.h"
#include "tests/fuzz/fuzz.h"
#include "tests/introspect/kallsyms-writer.h"

#define IMAGE_START 0xffffffff9ae00000ULL
#define N_SYMBOLS   600
#define N_FORMS     (WRITER_N_ORDERS * WRITER_N_ENCODINGS)

static GByteArray *
make_tables(guint form)
{
    WriterEncoding encoding = (WriterEncoding) (form % WRITER_N_ENCODINGS);
    WriterOrder order = encoding == WRITER_FROM_PLACE ? WRITER_OFFSETS_LAST_PACKED
        : (WriterOrder) (form / WRITER_N_ENCODINGS);
    WriterSymbol symbols[N_SYMBOLS];

    for (guint i = 0; i < N_SYMBOLS; i++) {
        g_autofree char *name = g_strdup_printf("symbol_%u", i);

        symbols[i] = (WriterSymbol) { IMAGE_START + i * 16, 't', g_intern_string(name) };
    }
    return kallsyms_write(symbols, N_SYMBOLS, order, encoding, IMAGE_START, 0, NULL);
}

void
fuzz(const guint8 *data, gsize size)
{
    static GByteArray *tables[N_FORMS];
    g_autoptr(IntroSymbolGroup) group = NULL;
    g_autofree guint8 *copy = NULL;
    IntroImagePart part;
    guint form;

    if (size == 0)
        return;
    form = data[0] % N_FORMS;
    if (tables[form] == NULL)
        tables[form] = make_tables(form);
    copy = g_memdup2(tables[form]->data, tables[form]->len);
    for (gsize i = 1; i + 4 <= size; i += 4)
        copy[(data[i] | data[i + 1] << 8 | data[i + 2] << 16) % tables[form]->len] = data[i + 3];
    part = (IntroImagePart) { copy, tables[form]->len, IMAGE_START, IMAGE_START };
    group = intro_kallsyms_find(&part, NULL);
    for (guint i = 0; group != NULL && i < group->symbols->len; i++)
        if (strlen(g_array_index(group->symbols, IntroSymbol, i).name) == 0)
            __builtin_trap();
}
