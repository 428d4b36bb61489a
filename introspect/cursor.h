/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounded cursor over bytes that came from a guest. Every read is checked, and moves the cursor only when it
 * succeeded; nothing else in introspect/ walks such bytes by pointer. Little-endian, as x86-64 is.
 */
#ifndef INTROSPECT_CURSOR_H
#define INTROSPECT_CURSOR_H

#include <glib.h>
#include <string.h>

typedef struct {
    const guint8 *data;     /* borrowed */
    gsize length;           /* bytes */
    gsize position;         /* never beyond LENGTH */
} IntroCursor;

static inline IntroCursor
intro_cursor(const void *data, gsize length)
{
    return (IntroCursor) { data, length, 0 };
}

gboolean intro_cursor_seek(IntroCursor *cursor, gsize position);
gboolean intro_cursor_skip(IntroCursor *cursor, gsize bytes);
gboolean intro_cursor_align(IntroCursor *cursor, gsize alignment);  /* a power of two, from the start of the data */
gboolean intro_cursor_u64(IntroCursor *cursor, guint64 *value);
/* A NUL-terminated string in place; fails if there is no NUL before the end. */
gboolean intro_cursor_string(IntroCursor *cursor, const char **value);

/* The rest is what parsers' inner loops are made of, and so is inline. */

/* BYTES bytes in place, valid as long as the data is. */
static inline gboolean
intro_cursor_bytes(IntroCursor *cursor, gsize bytes, const guint8 **value)
{
    if (bytes > cursor->length - cursor->position)
        return FALSE;

    *value = cursor->data + cursor->position;
    cursor->position += bytes;
    return TRUE;
}

static inline gboolean
intro_cursor_u8(IntroCursor *cursor, guint8 *value)
{
    const guint8 *bytes;

    if (!intro_cursor_bytes(cursor, sizeof *value, &bytes))
        return FALSE;

    *value = *bytes;
    return TRUE;
}

static inline gboolean
intro_cursor_u16(IntroCursor *cursor, guint16 *value)
{
    const guint8 *bytes;

    if (!intro_cursor_bytes(cursor, sizeof *value, &bytes))
        return FALSE;

    memcpy(value, bytes, sizeof *value);
    *value = GUINT16_FROM_LE(*value);
    return TRUE;
}

static inline gboolean
intro_cursor_u32(IntroCursor *cursor, guint32 *value)
{
    const guint8 *bytes;

    if (!intro_cursor_bytes(cursor, sizeof *value, &bytes))
        return FALSE;

    memcpy(value, bytes, sizeof *value);
    *value = GUINT32_FROM_LE(*value);
    return TRUE;
}

/* The 8 bytes at BYTES, for where it has been seen before that they are there. */
static inline guint64
intro_word(const guint8 *bytes)
{
    guint64 word;

    memcpy(&word, bytes, sizeof word);
    return GUINT64_FROM_LE(word);
}

#endif
