/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bodies of update files, with a header that fits: whatever is in them, loading refuses it or gives an update that is
 * consistent enough to be saved again, and for its code to be followed.
 */
#include "config.h"

#include "patcher/escape.h"
#include "patcher/update-format.h"
#include "tests/fuzz/fuzz.h"

void
fuzz(const guint8 *data, gsize length)
{
    g_autoptr(GByteArray) file = g_byte_array_new();
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    const guint32 version[2] = { GUINT32_TO_LE(PATCH_FILE_VERSION), 0 };
    const guint64 stored_length = GUINT64_TO_LE(length);
    guint8 digest[PATCH_FILE_DIGEST_BYTES];
    gsize digest_bytes = sizeof digest;
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(PatchUpdate) update = NULL;

    g_checksum_update(checksum, data, length);
    g_checksum_get_digest(checksum, digest, &digest_bytes);
    g_byte_array_append(file, (const guint8 *) PATCH_FILE_MAGIC, PATCH_FILE_MAGIC_BYTES);
    g_byte_array_append(file, (const guint8 *) version, sizeof version);
    g_byte_array_append(file, (const guint8 *) &stored_length, sizeof stored_length);
    g_byte_array_append(file, digest, sizeof digest);
    g_byte_array_append(file, data, length);
    bytes = g_byte_array_free_to_bytes(g_steal_pointer(&file));
    update = patch_update_load(bytes, NULL);
    if (update) {
        g_autoptr(GBytes) saved = patch_update_save(update);

        if (!g_bytes_equal(saved, bytes))
            abort();
        for (guint i = 0; i < update->objects->len; i++)
            g_free(patch_escape_find(update->objects->pdata[i]));
    }
}
