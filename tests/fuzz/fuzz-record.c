/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Patch records as a guest may have forged them. The digest is made right first, or nothing behind it would be reached.
 */
#include <string.h>

#include "patcher/record.h"
#include "tests/fuzz/fuzz.h"

void
fuzz(const guint8 *data, gsize size)
{
    static guint8 block[PATCH_PAGE_BYTES];
    g_autoptr(GBytes) body = NULL;
    g_autoptr(PatchRecord) record = NULL;

    if (size < PATCH_BLOCK_HEADER_BYTES || size > sizeof block - PATCH_BLOCK_HEADER_BYTES)
        return;
    memset(block, PATCH_EMPTY_TEXT, sizeof block);
    memcpy(block + PATCH_BLOCK_HEADER_BYTES, data, size);
    body = g_bytes_new_static(data, size);
    patch_record_fill_header(block, PATCH_STATE_INSTALLED, sizeof block, PATCH_BLOCK_HEADER_BYTES, body);
    record = patch_record_load(0xffffffff9d002000, block, sizeof block, NULL);
}
