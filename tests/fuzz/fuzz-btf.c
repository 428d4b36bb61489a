/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Types: the input is a .BTF section.
 */
#include "introspect/btf.h"
#include "tests/fuzz/fuzz.h"

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
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(IntroBtf) btf = intro_btf_new(bytes, NULL);

    if (btf != NULL)
        look_up(btf);
}
