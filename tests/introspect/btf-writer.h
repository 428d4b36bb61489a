/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes a .BTF section type by type, for tests. Types get the ids 1, 2, 3... in the order they are written.
 */
#ifndef TESTS_INTROSPECT_BTF_WRITER_H
#define TESTS_INTROSPECT_BTF_WRITER_H

#include <glib.h>

typedef struct {
    GByteArray *types;
    GString *strings;
    guint32 last_id;
} BtfWriter;

typedef struct {
    const char *name;       /* NULL if anonymous */
    guint32 type;
    guint32 offset;         /* bits; with kind_flag the width of a bit field in the topmost byte */
} BtfWriterMember;

enum {
    BTF_INT = 1, BTF_PTR, BTF_ARRAY, BTF_STRUCT, BTF_UNION, BTF_ENUM, BTF_FWD, BTF_TYPEDEF, BTF_VOLATILE, BTF_CONST,
    BTF_RESTRICT, BTF_FUNC, BTF_FUNC_PROTO, BTF_VAR, BTF_DATASEC, BTF_FLOAT, BTF_DECL_TAG, BTF_TYPE_TAG, BTF_ENUM64,
};

BtfWriter *btf_writer_new(void);
void btf_writer_free(BtfWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BtfWriter, btf_writer_free)

guint32 btf_writer_string(BtfWriter *writer, const char *string);
/* The common head of a type; what follows it is for the caller to add with btf_writer_u32. Returns its id. */
guint32 btf_writer_type(BtfWriter *writer, guint kind, const char *name, guint n_items, gboolean kind_flag,
                        guint32 size_or_type);
void btf_writer_u32(BtfWriter *writer, guint32 value);

guint32 btf_writer_int(BtfWriter *writer, const char *name, guint32 size_bytes);
guint32 btf_writer_array(BtfWriter *writer, guint32 element, guint32 n);
guint32 btf_writer_composite(BtfWriter *writer, guint kind, const char *name, guint32 size_bytes, gboolean kind_flag,
                             const BtfWriterMember *members, guint n_members);

GBytes *btf_writer_finish(const BtfWriter *writer);

#endif
