/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/introspect/btf-writer.h"

#include <string.h>

BtfWriter *
btf_writer_new(void)
{
    BtfWriter *writer = g_new0(BtfWriter, 1);

    writer->types = g_byte_array_new();
    writer->strings = g_string_new(NULL);
    g_string_append_c(writer->strings, '\0');
    return writer;
}

void
btf_writer_free(BtfWriter *writer)
{
    g_byte_array_unref(writer->types);
    g_string_free(writer->strings, TRUE);
    g_free(writer);
}

guint32
btf_writer_string(BtfWriter *writer, const char *string)
{
    guint32 at = writer->strings->len;

    if (string == NULL)
        return 0;
    g_string_append_len(writer->strings, string, strlen(string) + 1);
    return at;
}

void
btf_writer_u32(BtfWriter *writer, guint32 value)
{
    value = GUINT32_TO_LE(value);
    g_byte_array_append(writer->types, (const guint8 *) &value, sizeof(value));
}

guint32
btf_writer_type(BtfWriter *writer, guint kind, const char *name, guint n_items, gboolean kind_flag,
                guint32 size_or_type)
{
    btf_writer_u32(writer, btf_writer_string(writer, name));
    btf_writer_u32(writer, (kind_flag ? 1u << 31 : 0) | kind << 24 | n_items);
    btf_writer_u32(writer, size_or_type);
    return ++writer->last_id;
}

guint32
btf_writer_int(BtfWriter *writer, const char *name, guint32 size_bytes)
{
    guint32 id = btf_writer_type(writer, BTF_INT, name, 0, FALSE, size_bytes);

    btf_writer_u32(writer, size_bytes * 8);
    return id;
}

guint32
btf_writer_array(BtfWriter *writer, guint32 element, guint32 n)
{
    guint32 id = btf_writer_type(writer, BTF_ARRAY, NULL, 0, FALSE, 0);

    btf_writer_u32(writer, element);
    btf_writer_u32(writer, 0);
    btf_writer_u32(writer, n);
    return id;
}

guint32
btf_writer_composite(BtfWriter *writer, guint kind, const char *name, guint32 size_bytes, gboolean kind_flag,
                     const BtfWriterMember *members, guint n_members)
{
    guint32 id = btf_writer_type(writer, kind, name, n_members, kind_flag, size_bytes);

    for (guint i = 0; i < n_members; i++) {
        btf_writer_u32(writer, btf_writer_string(writer, members[i].name));
        btf_writer_u32(writer, members[i].type);
        btf_writer_u32(writer, members[i].offset);
    }
    return id;
}

GBytes *
btf_writer_finish(const BtfWriter *writer)
{
    const guint32 header[] = {
        GUINT32_TO_LE(0x0001eb9f), GUINT32_TO_LE(24), 0, GUINT32_TO_LE(writer->types->len),
        GUINT32_TO_LE(writer->types->len), GUINT32_TO_LE(writer->strings->len),
    };
    GByteArray *section = g_byte_array_new();

    g_byte_array_append(section, (const guint8 *) header, sizeof(header));
    g_byte_array_append(section, writer->types->data, writer->types->len);
    g_byte_array_append(section, (const guint8 *) writer->strings->str, writer->strings->len);
    return g_byte_array_free_to_bytes(section);
}
