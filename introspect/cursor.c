/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/cursor.h"

#include <string.h>

gboolean
intro_cursor_seek(IntroCursor *cursor, gsize position)
{
    if (position > cursor->length)
        return FALSE;

    cursor->position = position;
    return TRUE;
}

gboolean
intro_cursor_bytes(IntroCursor *cursor, gsize bytes, const guint8 **value)
{
    if (bytes > cursor->length - cursor->position)
        return FALSE;

    *value = cursor->data + cursor->position;
    cursor->position += bytes;
    return TRUE;
}

gboolean
intro_cursor_skip(IntroCursor *cursor, gsize bytes)
{
    const guint8 *skipped;

    return intro_cursor_bytes(cursor, bytes, &skipped);
}

gboolean
intro_cursor_align(IntroCursor *cursor, gsize alignment)
{
    return intro_cursor_skip(cursor, -cursor->position & (alignment - 1));
}

gboolean
intro_cursor_u8(IntroCursor *cursor, guint8 *value)
{
    const guint8 *bytes;

    if (!intro_cursor_bytes(cursor, sizeof *value, &bytes))
        return FALSE;

    *value = *bytes;
    return TRUE;
}

gboolean
intro_cursor_u16(IntroCursor *cursor, guint16 *value)
{
    const guint8 *bytes;

    if (!intro_cursor_bytes(cursor, sizeof *value, &bytes))
        return FALSE;

    memcpy(value, bytes, sizeof *value);
    *value = GUINT16_FROM_LE(*value);
    return TRUE;
}

gboolean
intro_cursor_u32(IntroCursor *cursor, guint32 *value)
{
    const guint8 *bytes;

    if (!intro_cursor_bytes(cursor, sizeof *value, &bytes))
        return FALSE;

    memcpy(value, bytes, sizeof *value);
    *value = GUINT32_FROM_LE(*value);
    return TRUE;
}

gboolean
intro_cursor_u64(IntroCursor *cursor, guint64 *value)
{
    const guint8 *bytes;

    if (!intro_cursor_bytes(cursor, sizeof *value, &bytes))
        return FALSE;

    memcpy(value, bytes, sizeof *value);
    *value = GUINT64_FROM_LE(*value);
    return TRUE;
}

gboolean
intro_cursor_string(IntroCursor *cursor, const char **value)
{
    const guint8 *start = cursor->data + cursor->position;
    const guint8 *end;

    if (cursor->position == cursor->length)
        return FALSE;
    end = memchr(start, '\0', cursor->length - cursor->position);
    if (end == NULL)
        return FALSE;

    *value = (const char *) start;
    cursor->position += (gsize) (end - start) + 1;
    return TRUE;
}
