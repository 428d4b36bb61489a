/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a gdb stub says: packets, whose checksums are made right if the first byte is odd, with hexadecimal digits, or a
 * target description and the registers behind it.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "vmm/gdb-target.h"
#include "vmm/gdb-wire.h"

static void
look_at_payload(const GString *payload)
{
    g_autoptr(GByteArray) bytes = vmm_gdb_parse_hex(payload->str, payload->len);
    g_autoptr(GPtrArray) includes = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(VmmGdbTarget) target = vmm_gdb_target_new();
    VmmVcpu vcpu = { 0 };
    gsize length = strlen(payload->str);

    if (!vmm_gdb_target_add(target, payload->str, length, includes, NULL) || !vmm_gdb_target_finish(target, NULL))
        return;
    vmm_gdb_target_decode(target, (const guint8 *) payload->str + length, payload->len - length, &vcpu, NULL);
}

void
fuzz(const guint8 *data, gsize size)
{
    g_autoptr(GString) in = g_string_new(NULL);
    gsize position = 0;

    if (size == 0)
        return;
    if ((data[0] & 1) != 0)
        vmm_gdb_frame(in, (const char *) data + 1, size - 1);
    else
        g_string_append_len(in, (const char *) data + 1, size - 1);
    for (;;) {
        GString *payload = NULL;

        if (!vmm_gdb_unframe(in, &position, &payload, NULL) || payload == NULL)
            return;
        look_at_payload(payload);
        g_string_free(payload, TRUE);
    }
}
