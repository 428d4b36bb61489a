/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/gdb-wire.h"

#include <string.h>

#include "vmm/error.h"

#define ESCAPE '}'
#define ESCAPE_XOR 0x20
#define REPEAT '*'
#define REPEAT_BIAS 29      /* a count of N is sent as the character N + 29 */

static gboolean
is_special(char c)
{
    return c == '$' || c == '#' || c == ESCAPE || c == REPEAT;
}

void
vmm_gdb_frame(GString *out, const char *payload, gsize length)
{
    gsize start = out->len + 1;
    guint8 sum = 0;

    g_string_append_c(out, '$');
    for (gsize i = 0; i < length; i++) {
        if (is_special(payload[i])) {
            g_string_append_c(out, ESCAPE);
            g_string_append_c(out, payload[i] ^ ESCAPE_XOR);
        } else {
            g_string_append_c(out, payload[i]);
        }
    }
    for (gsize i = start; i < out->len; i++)
        sum += (guint8)out->str[i];
    g_string_append_printf(out, "#%02x", sum);
}

static gboolean
append_repeats(GString *payload, guint8 count_char)
{
    if (payload->len == 0 || count_char < ' ' || count_char > '~')
        return FALSE;
    for (int n = count_char - REPEAT_BIAS; n > 0; n--)
        g_string_append_c(payload, payload->str[payload->len - 1]);
    return TRUE;
}

static GString *
decode(const char *body, gsize length)
{
    GString *payload = g_string_sized_new(length);
    gboolean good = TRUE;

    for (gsize i = 0; i < length && good; i++) {
        if (body[i] != ESCAPE && body[i] != REPEAT) {
            g_string_append_c(payload, body[i]);
            continue;
        }
        good = i + 1 < length;
        if (good && body[i] == ESCAPE)
            g_string_append_c(payload, body[i + 1] ^ ESCAPE_XOR);
        else if (good)
            good = append_repeats(payload, body[i + 1]);
        good = good && payload->len <= VMM_GDB_MAX_PACKET;
        i++;
    }
    if (!good) {
        g_string_free(payload, TRUE);
        return NULL;
    }
    return payload;
}

static gboolean
set_wire_error(const char *what, GError **error)
{
    g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "the gdb stub sent %s", what);
    return FALSE;
}

static gboolean
checksum_matches(const char *body, gsize length, const char *digits)
{
    guint8 sum = 0;

    for (gsize i = 0; i < length; i++)
        sum += (guint8)body[i];
    return g_ascii_xdigit_value(digits[0]) == sum >> 4 && g_ascii_xdigit_value(digits[1]) == (sum & 15);
}

gboolean
vmm_gdb_unframe(const GString *in, gsize *position, GString **payload, GError **error)
{
    const char *at = in->str + *position;
    const char *end = in->str + in->len;
    const char *hash = NULL;

    *payload = NULL;
    while (at < end && *at == '+')
        at++;
    *position = at - in->str;
    if (at == end)
        return TRUE;
    if (*at != '$')
        return set_wire_error(*at == '-' ? "word that it did not get a packet" : "what is not a packet", error);

    at++;
    hash = memchr(at, '#', end - at);
    if ((hash != NULL ? hash : end) - at > VMM_GDB_MAX_PACKET)
        return set_wire_error("a packet that is too long", error);
    if (hash == NULL || end - hash < 3)
        return TRUE;
    if (!checksum_matches(at, hash - at, hash + 1))
        return set_wire_error("a packet with a wrong checksum", error);
    *payload = decode(at, hash - at);
    if (*payload == NULL)
        return set_wire_error("a packet that cannot be decoded", error);
    *position = hash + 3 - in->str;
    return TRUE;
}

void
vmm_gdb_append_hex(GString *out, const guint8 *bytes, gsize length)
{
    static const char digits[] = "0123456789abcdef";

    for (gsize i = 0; i < length; i++) {
        g_string_append_c(out, digits[bytes[i] >> 4]);
        g_string_append_c(out, digits[bytes[i] & 15]);
    }
}

static int
digit_value(char c)
{
    return c == 'x' ? 0 : g_ascii_xdigit_value(c);
}

GByteArray *
vmm_gdb_parse_hex(const char *digits, gsize n_digits)
{
    GByteArray *bytes = NULL;

    if (n_digits % 2 != 0)
        return NULL;
    bytes = g_byte_array_sized_new(n_digits / 2);
    for (gsize i = 0; i < n_digits; i += 2) {
        int high = digit_value(digits[i]), low = digit_value(digits[i + 1]);
        guint8 byte = 0;

        if (high < 0 || low < 0) {
            g_byte_array_unref(bytes);
            return NULL;
        }
        byte = high << 4 | low;
        g_byte_array_append(bytes, &byte, 1);
    }
    return bytes;
}
