/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Patch records as a guest may have forged them: the input is the block's address (8 bytes), its pages (4), state and the
 * region's pages (2 each), and then the record. The digest is made right first, or nothing behind it would be reached.
 */
#include <string.h>

#include "patcher/record.h"
#include "tests/fuzz/fuzz.h"

#define MAX_PAGES 64

static void
look(const PatchRecord *record, GBytes *body)
{
    g_autoptr(GBytes) again = NULL;

    if (record->state == PATCH_STATE_CLAIMED)
        return;
    again = patch_record_save(record);
    if (!g_bytes_equal(body, again))
        __builtin_trap();
}

void
fuzz(const guint8 *data, gsize size)
{
    static guint8 block[MAX_PAGES * PATCH_PAGE_BYTES];
    g_autoptr(GBytes) body = NULL;
    g_autoptr(PatchRecord) record = NULL;
    guint32 words[2];
    gsize length;
    GuestVa va;

    if (size < sizeof va + sizeof words)
        return;
    memcpy(&va, data, sizeof va);
    memcpy(words, data + sizeof va, sizeof words);
    data += sizeof va + sizeof words;
    size -= sizeof va + sizeof words;
    length = (1 + words[0] % MAX_PAGES) * PATCH_PAGE_BYTES;
    if (size > length - PATCH_BLOCK_HEADER_BYTES)
        return;
    memset(block, PATCH_EMPTY_TEXT, length);
    memcpy(block + PATCH_BLOCK_HEADER_BYTES, data, size);
    body = g_bytes_new_static(data, size);
    patch_record_fill_header(block, (words[1] & 0xffff) % (PATCH_STATE_KEPT + 1), length, PATCH_BLOCK_HEADER_BYTES, body);
    patch_record_mark_region(block, words[1] >> 16);
    record = patch_record_load(va, block, length, NULL);
    if (record)
        look(record, body);
}
