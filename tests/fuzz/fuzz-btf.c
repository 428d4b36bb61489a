/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Types: the input is what follows the header of a .BTF section, its first two bytes saying how much of it is types.
 */
#include <string.h>

#include "introspect/btf.h"
#include "tests/fuzz/fuzz.h"

#define MAX_BYTES (64u << 10)

static void
look_up(const IntroBtf *btf)
{
    static const char *const names[] = { "a", "b", "c", "list" };
    static const char *const members[] = { "a", "b", "next", "a.b", "list.next", "a.a.a.a", "." };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        gsize size;
        gint64 value;

        intro_btf_size(btf, names[i], &size, NULL);
        intro_btf_enumerator(btf, names[i], &value, NULL);
        for (gsize j = 0; j < G_N_ELEMENTS(members); j++) {
            IntroMember member;
            gsize offset;

            if (intro_btf_member(btf, names[i], members[j], &member, NULL) && member.offset_bits > G_MAXINT32)
                __builtin_trap();
            intro_btf_offset(btf, names[i], members[j], &offset, NULL);
        }
    }
}

void
fuzz(const guint8 *data, gsize size)
{
    static guint8 section[24 + MAX_BYTES];
    guint32 types, header[] = { GUINT32_TO_LE(0x0001eb9f), GUINT32_TO_LE(24), 0, 0, 0, 0 };
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(IntroBtf) btf = NULL;

    if (size < 2 || size - 2 > MAX_BYTES)
        return;
    types = (data[0] | (guint32) data[1] << 8) & ~3u;
    types = MIN(types, size - 2);
    header[3] = header[4] = GUINT32_TO_LE(types);
    header[5] = GUINT32_TO_LE(size - 2 - types);
    memcpy(section, header, sizeof header);
    memcpy(section + sizeof header, data + 2, size - 2);
    if (types < size - 2)
        section[sizeof header + size - 3] = '\0';
    bytes = g_bytes_new_static(section, sizeof header + size - 2);
    btf = intro_btf_new(bytes, NULL);
    if (btf != NULL)
        look_up(btf);
}
