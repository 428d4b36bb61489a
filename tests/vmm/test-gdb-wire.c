/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "vmm/gdb-wire.h"
#include "vmm/machine.h"

static void
test_frame(void)
{
    g_autoptr(GString) out = g_string_new(NULL);

    vmm_gdb_frame(out, "OK", 2);
    vmm_gdb_frame(out, "", 0);
    vmm_gdb_frame(out, "a#$}*", 5);
    g_assert_cmpstr(out->str, ==, "$OK#9a$#00$a}\x03}\x04}]}\x0a#c3");
}

static GString *
take(const char *bytes, gsize length, gsize *position, GError **error)
{
    g_autoptr(GString) in = g_string_new_len(bytes, length);
    GString *payload = NULL;

    *position = 0;
    if (!vmm_gdb_unframe(in, position, &payload, error))
        g_assert_null(payload);
    return payload;
}

static void
test_round_trip(void)
{
    g_autoptr(GString) sent = g_string_new("++");
    g_autoptr(GString) payload = NULL;
    g_autoptr(GError) error = NULL;
    char all[256];
    gsize position = 0;

    for (gsize i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    vmm_gdb_frame(sent, all, sizeof all);
    for (gsize length = 0; length < sent->len; length++) {
        g_autoptr(GString) none = take(sent->str, length, &position, &error);

        g_assert_no_error(error);
        g_assert_null(none);
    }
    payload = take(sent->str, sent->len, &position, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(position, ==, sent->len);
    g_assert_cmpmem(payload->str, payload->len, all, sizeof all);
}

static void
test_two_packets(void)
{
    g_autoptr(GString) in = g_string_new("+$OK#9a+$E14#aa+");
    g_autoptr(GString) first = NULL;
    g_autoptr(GString) second = NULL;
    g_autoptr(GString) third = NULL;
    gsize position = 0;

    g_assert_true(vmm_gdb_unframe(in, &position, &first, NULL));
    g_assert_true(vmm_gdb_unframe(in, &position, &second, NULL));
    g_assert_true(vmm_gdb_unframe(in, &position, &third, NULL));
    g_assert_cmpstr(first->str, ==, "OK");
    g_assert_cmpstr(second->str, ==, "E14");
    g_assert_null(third);
    g_assert_cmpuint(position, ==, in->len);
}

static void
test_run_lengths(void)
{
    g_autoptr(GString) payload = NULL;
    gsize position;

    payload = take("$0* #7a", 7, &position, NULL);
    g_assert_cmpstr(payload->str, ==, "0000");
}

static void
assert_refused(const char *bytes)
{
    g_autoptr(GError) error = NULL;
    gsize position;
    g_autoptr(GString) payload = take(bytes, strlen(bytes), &position, &error);

    g_assert_null(payload);
    g_assert_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL);
}

static void
test_refuses(void)
{
    g_autofree char *fill = g_strnfill(VMM_GDB_MAX_PACKET + 2, 'a');
    g_autofree char *endless = g_strconcat("$", fill, NULL);
    g_autoptr(GString) repeats = g_string_new("$0");
    guint8 sum = '0';

    assert_refused("HTTP/1.1 400\r\n");
    assert_refused("-");
    assert_refused("$OK#9b");
    assert_refused("$OK#zz");
    assert_refused("$a}#de");
    assert_refused("$*~#a8");
    assert_refused("$0*\x01#5b");
    assert_refused(endless);

    /* Short on the wire, too long when the runs are written out. */
    for (guint i = 0; i < VMM_GDB_MAX_PACKET / 50; i++) {
        g_string_append(repeats, "*~");
        sum += '*' + '~';
    }
    g_string_append_printf(repeats, "#%02x", sum);
    assert_refused(repeats->str);
}

static void
test_hex(void)
{
    const guint8 bytes[] = { 0x00, 0xff, 0x1a };
    g_autoptr(GString) digits = g_string_new(NULL);
    g_autoptr(GByteArray) parsed = NULL;
    g_autoptr(GByteArray) unknown = NULL;

    vmm_gdb_append_hex(digits, bytes, sizeof bytes);
    g_assert_cmpstr(digits->str, ==, "00ff1a");
    parsed = vmm_gdb_parse_hex(digits->str, digits->len);
    g_assert_cmpmem(parsed->data, parsed->len, bytes, sizeof bytes);
    unknown = vmm_gdb_parse_hex("xxFF", 4);
    g_assert_cmpuint(unknown->data[0], ==, 0);
    g_assert_cmpuint(unknown->data[1], ==, 255);
    g_assert_null(vmm_gdb_parse_hex("abc", 3));
    g_assert_null(vmm_gdb_parse_hex("E0 1", 4));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmm/gdb-wire/frame", test_frame);
    g_test_add_func("/vmm/gdb-wire/round-trip", test_round_trip);
    g_test_add_func("/vmm/gdb-wire/two-packets", test_two_packets);
    g_test_add_func("/vmm/gdb-wire/run-lengths", test_run_lengths);
    g_test_add_func("/vmm/gdb-wire/refuses", test_refuses);
    g_test_add_func("/vmm/gdb-wire/hex", test_hex);
    return g_test_run();
}
