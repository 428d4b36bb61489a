/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/cursor.h"

static const guint8 data[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 'a', 'b', 0, 'c' };

static void
test_numbers(void)
{
    IntroCursor cursor = intro_cursor(data, sizeof data);
    guint64 u64 = 0;
    guint32 u32 = 0;
    guint16 u16 = 0;
    guint8 u8 = 0;

    g_assert_true(intro_cursor_u64(&cursor, &u64));
    g_assert_cmphex(u64, ==, 0x0807060504030201);
    g_assert_true(intro_cursor_seek(&cursor, 1));
    g_assert_true(intro_cursor_u32(&cursor, &u32));
    g_assert_cmphex(u32, ==, 0x05040302);
    g_assert_true(intro_cursor_u16(&cursor, &u16));
    g_assert_cmphex(u16, ==, 0x0706);
    g_assert_true(intro_cursor_u8(&cursor, &u8));
    g_assert_cmphex(u8, ==, 0x08);
    g_assert_cmpuint(cursor.position, ==, 8);
}

/* A read that fails leaves the cursor where it was. */
static void
test_bounds(void)
{
    IntroCursor cursor = intro_cursor(data, sizeof data);
    const guint8 *bytes;
    guint64 u64 = 0;
    guint32 u32 = 0;
    guint16 u16 = 0;
    guint8 u8 = 0;

    g_assert_false(intro_cursor_seek(&cursor, sizeof data + 1));
    g_assert_false(intro_cursor_skip(&cursor, G_MAXSIZE));
    g_assert_cmpuint(cursor.position, ==, 0);
    g_assert_true(intro_cursor_seek(&cursor, sizeof data - 1));
    g_assert_false(intro_cursor_u64(&cursor, &u64));
    g_assert_false(intro_cursor_u32(&cursor, &u32));
    g_assert_false(intro_cursor_u16(&cursor, &u16));
    g_assert_false(intro_cursor_bytes(&cursor, 2, &bytes));
    g_assert_cmpuint(cursor.position, ==, sizeof data - 1);
    g_assert_true(intro_cursor_u8(&cursor, &u8));
    g_assert_cmpuint(u8, ==, 'c');
    g_assert_false(intro_cursor_u8(&cursor, &u8));
    g_assert_true(intro_cursor_bytes(&cursor, 0, &bytes));
}

static void
test_strings(void)
{
    IntroCursor cursor = intro_cursor(data, sizeof data);
    const char *string = NULL;

    g_assert_true(intro_cursor_seek(&cursor, 8));
    g_assert_true(intro_cursor_string(&cursor, &string));
    g_assert_cmpstr(string, ==, "ab");
    g_assert_cmpuint(cursor.position, ==, 11);
    g_assert_false(intro_cursor_string(&cursor, &string));
    g_assert_true(intro_cursor_skip(&cursor, 1));
    g_assert_false(intro_cursor_string(&cursor, &string));
    g_assert_cmpuint(cursor.position, ==, sizeof data);
}

static void
test_alignment(void)
{
    IntroCursor cursor = intro_cursor(data, sizeof data);

    g_assert_true(intro_cursor_align(&cursor, 8));
    g_assert_cmpuint(cursor.position, ==, 0);
    g_assert_true(intro_cursor_skip(&cursor, 1));
    g_assert_true(intro_cursor_align(&cursor, 8));
    g_assert_cmpuint(cursor.position, ==, 8);
    g_assert_true(intro_cursor_skip(&cursor, 1));
    g_assert_false(intro_cursor_align(&cursor, 8));
    g_assert_cmpuint(cursor.position, ==, 9);
}

static void
test_empty(void)
{
    IntroCursor cursor = intro_cursor(NULL, 0);
    const char *string = NULL;
    guint8 u8 = 0;

    g_assert_false(intro_cursor_u8(&cursor, &u8));
    g_assert_false(intro_cursor_string(&cursor, &string));
    g_assert_true(intro_cursor_seek(&cursor, 0));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cursor/numbers", test_numbers);
    g_test_add_func("/cursor/bounds", test_bounds);
    g_test_add_func("/cursor/strings", test_strings);
    g_test_add_func("/cursor/alignment", test_alignment);
    g_test_add_func("/cursor/empty", test_empty);
    return g_test_run();
}
