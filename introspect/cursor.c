/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/cursor.h"

gboolean
intro_cursor_seek(IntroCursor *cursor, gsize position)
{
    if (position > cursor->length)
        return FALSE;

    cursor->position = position;
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
