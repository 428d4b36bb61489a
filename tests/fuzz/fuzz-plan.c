/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding what is installed, and planning to take it out, to put right what was interrupted, and to apply another update,
 * in a real guest's damaged memory. The input is how many words of the installed record are forged (1 byte, modulo 8), for
 * each where (2 bytes) and what is there instead (8), and then damage to the rest. A forged record gets a digest that fits.
 */
#include <string.h>

#include "patcher/arena.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/looks.h"
#include "tests/fuzz/recorded.h"

#define MAX_FORGED 8
#define FORGED_BYTES 10
#define RECORD_OFFSET_OFFSET 24         /* in the header of a block, as docs/record-format.md has it */
#define RECORD_BYTES_OFFSET 32

static const PatchUpdate *update;
static PatchArea block;                 /* of the record, when nothing is damaged */
static const guint8 *forgery;
static gsize n_forged;

static void
find_block(const IntroKernel *kernel)
{
    g_autoptr(PatchArena) arena = patch_arena_open(kernel, NULL);
    const PatchRecord *record;

    g_assert(arena && patch_arena_records(arena)->len > 0);
    record = patch_arena_records(arena)->pdata[0];
    block = record->block;
}

static void
forge(const IntroKernel *kernel)
{
    g_autofree guint8 *bytes = g_malloc(block.length);
    g_autoptr(GBytes) body = NULL;
    guint64 offset;
    guint32 length, state;

    if (n_forged == 0 || !intro_space_read(intro_kernel_space(kernel), block.va, bytes, block.length, NULL))
        return;
    memcpy(&offset, bytes + RECORD_OFFSET_OFFSET, sizeof offset);
    memcpy(&length, bytes + RECORD_BYTES_OFFSET, sizeof length);
    memcpy(&state, bytes + PATCH_BLOCK_STATE_OFFSET, sizeof state);
    if (offset > block.length || length > block.length - offset || length < sizeof(guint64))
        return;
    for (gsize i = 0; i < n_forged; i++) {
        const guint8 *word = forgery + i * FORGED_BYTES;
        gsize at = (word[0] | (gsize) word[1] << 8) % (length - sizeof(guint64) + 1);

        memcpy(bytes + offset + at, word + 2, sizeof(guint64));
    }
    body = g_bytes_new(bytes + offset, length);
    patch_record_fill_header(bytes, state, block.length, offset, body);
    recorded_write(block.va, bytes, block.length);
}

static void
look(const VmmReader *reader, const IntroKernel *kernel)
{
    if (block.length == 0)
        find_block(kernel);
    forge(kernel);
    look_at_updates(kernel, update);
}

void
fuzz(const guint8 *data, gsize size)
{
    if (!update)
        update = patch_update_read_file(g_getenv("VLP_FUZZ_UPDATE"), NULL);
    g_assert(update);
    if (size == 0)
        return;
    n_forged = MIN(data[0] % MAX_FORGED, (size - 1) / FORGED_BYTES);
    forgery = data + 1;
    recorded_fuzz(look, data + 1 + n_forged * FORGED_BYTES, size - 1 - n_forged * FORGED_BYTES);
}
