/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/record.h"

#include <string.h>

#include "patcher/error.h"
#include "patcher/record-private.h"

/* Header, little-endian: magic (8), version (4), state (4), block bytes (8), record offset (8), record bytes (4), zero
 * or the pages of the region (4), the first 24 bytes of the SHA-256 of the record. */
#define MAGIC "VLPblock"
#define VERSION 8
#define FIRST_VERSION 5        /* without regions; from 7 on, constants may stay, and from 8 on, variables */
#define REGION_OFFSET 36
#define DIGEST_OFFSET 40
#define DIGEST_BYTES 24

void
patch_jump_free(PatchJump *jump)
{
    g_free(jump->name);
    g_clear_pointer(&jump->before, g_bytes_unref);
    g_clear_pointer(&jump->jump, g_bytes_unref);
    g_free(jump);
}

void
patch_placed_free(PatchPlaced *placed)
{
    g_free(placed->name);
    g_free(placed->sha256);
    g_free(placed);
}

void
patch_value_free(PatchValue *value)
{
    g_free(value->name);
    g_clear_pointer(&value->pointers, g_array_unref);
    g_clear_pointer(&value->mask, g_bytes_unref);
    g_clear_pointer(&value->before, g_bytes_unref);
    g_clear_pointer(&value->after, g_bytes_unref);
    g_free(value);
}

void
patch_hook_place_free(PatchHookPlace *hook)
{
    g_free(hook->name);
    g_free(hook);
}

PatchRecord *
patch_record_new(void)
{
    PatchRecord *record = g_rc_box_new0(PatchRecord);

    record->filler = PATCH_EMPTY_TEXT;
    record->jumps = g_ptr_array_new_with_free_func((GDestroyNotify) patch_jump_free);
    record->placed = g_ptr_array_new_with_free_func((GDestroyNotify) patch_placed_free);
    record->values = g_ptr_array_new_with_free_func((GDestroyNotify) patch_value_free);
    record->hooks = g_ptr_array_new_with_free_func((GDestroyNotify) patch_hook_place_free);
    record->replaces = g_array_new(FALSE, FALSE, sizeof(GuestVa));
    return record;
}

static void
record_clear(PatchRecord *record)
{
    g_free(record->description);
    g_free(record->kernel);
    g_free(record->tool);
    g_strfreev(record->cves);
    g_free(record->module.name);
    g_strfreev(record->waiting);
    g_array_unref(record->replaces);
    g_ptr_array_unref(record->jumps);
    g_ptr_array_unref(record->placed);
    g_ptr_array_unref(record->values);
    g_ptr_array_unref(record->hooks);
}

PatchRecord *
patch_record_ref(const PatchRecord *record)
{
    return g_rc_box_acquire((PatchRecord *) record);
}

void
patch_record_unref(PatchRecord *record)
{
    if (record)
        g_rc_box_release_full(record, (GDestroyNotify) record_clear);
}

static void
digest(const guint8 *data, gsize length, guint8 out[DIGEST_BYTES])
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    guint8 whole[32];
    gsize size = sizeof whole;

    g_checksum_update(checksum, data, length);
    g_checksum_get_digest(checksum, whole, &size);
    memcpy(out, whole, DIGEST_BYTES);
}

static void
put32(guint8 *at, guint32 value)
{
    value = GUINT32_TO_LE(value);
    memcpy(at, &value, sizeof value);
}

static void
put64(guint8 *at, guint64 value)
{
    value = GUINT64_TO_LE(value);
    memcpy(at, &value, sizeof value);
}

static guint32
get32(const guint8 *at)
{
    guint32 value;

    memcpy(&value, at, sizeof value);
    return GUINT32_FROM_LE(value);
}

static guint64
get64(const guint8 *at)
{
    guint64 value;

    memcpy(&value, at, sizeof value);
    return GUINT64_FROM_LE(value);
}

void
patch_record_fill_header(guint8 *header, PatchState state, guint64 block_bytes, guint64 record_offset, GBytes *record)
{
    gsize length;
    const guint8 *data = g_bytes_get_data(record, &length);

    memset(header, 0, PATCH_BLOCK_HEADER_BYTES);
    memcpy(header, MAGIC, 8);
    put32(header + 8, VERSION);
    put32(header + PATCH_BLOCK_STATE_OFFSET, state);
    put64(header + 16, block_bytes);
    put64(header + 24, record_offset);
    put32(header + 32, length);
    digest(data, length, header + DIGEST_OFFSET);
}

void
patch_record_mark_region(guint8 *header, guint32 n_pages)
{
    put32(header + REGION_OFFSET, n_pages);
}

PatchArea
patch_record_region_data(const PatchRecord *record)
{
    return (PatchArea) { record->block.va + record->block.length, record->region_bytes - record->block.length };
}

gboolean
patch_record_is_header(const guint8 *header, guint64 *block_bytes)
{
    guint64 length = get64(header + 16);
    guint32 version = get32(header + 8);

    if (memcmp(header, MAGIC, 8) != 0 || version < FIRST_VERSION || version > VERSION)
        return FALSE;
    if (length < PATCH_BLOCK_HEADER_BYTES || length > PATCH_MAX_BLOCK_BYTES || length % PATCH_BLOCK_ALIGNMENT != 0)
        return FALSE;
    *block_bytes = length;
    return TRUE;
}

/* That is the record of what only runs something (runner.h). */
static gboolean
changes_nothing(const PatchRecord *record)
{
    return record->jumps->len + record->values->len + record->hooks->len == 0;
}

static gboolean
is_possible_region(guint64 region_bytes, guint64 block_bytes)
{
    return region_bytes == 0 || (block_bytes % PATCH_PAGE_BYTES == 0 && region_bytes >= block_bytes &&
                                 region_bytes - block_bytes <= PATCH_MAX_BLOCK_BYTES);
}

static PatchRecord *
claimed_block(GuestVa va, gsize length, guint64 region_bytes)
{
    PatchRecord *record = patch_record_new();

    g_strlcpy(record->id, PATCH_NO_ID, sizeof record->id);
    record->state = PATCH_STATE_CLAIMED;
    record->description = g_strdup("what an interrupted apply or undo left");
    record->kernel = g_strdup("");
    record->tool = g_strdup("");
    record->cves = g_new0(char *, 1);
    record->waiting = g_new0(char *, 1);
    record->module.name = g_strdup("");
    record->block = (PatchArea) { va, length };
    record->region_bytes = region_bytes;
    return record;
}

static gboolean
has_body(guint32 state)
{
    return (state >= PATCH_STATE_PREPARING && state <= PATCH_STATE_REMOVING) || state == PATCH_STATE_KEPT;
}

PatchRecord *
patch_record_load(GuestVa va, const guint8 *block, gsize length, GError **error)
{
    g_autoptr(PatchRecord) record = NULL;
    g_autoptr(GBytes) body = NULL;
    guint8 expected[DIGEST_BYTES];
    guint64 block_bytes, offset, region_bytes;
    guint32 body_bytes, state;

    if (length < PATCH_BLOCK_HEADER_BYTES || !patch_record_is_header(block, &block_bytes) || block_bytes != length) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "no patch record at %#" G_GINT64_MODIFIER "x", va);
        return NULL;
    }
    state = get32(block + PATCH_BLOCK_STATE_OFFSET);
    region_bytes = (guint64) get32(block + REGION_OFFSET) * PATCH_PAGE_BYTES;
    if (state == PATCH_STATE_CLAIMED && is_possible_region(region_bytes, block_bytes))
        return claimed_block(va, length, region_bytes);
    offset = get64(block + 24);
    body_bytes = get32(block + 32);
    if (has_body(state) && is_possible_region(region_bytes, block_bytes) &&
        offset >= PATCH_BLOCK_HEADER_BYTES && offset % 8 == 0 && offset <= length && body_bytes <= length - offset) {
        digest(block + offset, body_bytes, expected);
        if (memcmp(expected, block + DIGEST_OFFSET, DIGEST_BYTES) == 0) {
            body = g_bytes_new(block + offset, body_bytes);
            record = patch_record_load_body(body);
            if (record)
                record->region_bytes = region_bytes;
        }
    }
    if (!record || !patch_record_is_consistent(record, va, block_bytes) ||
        (state != PATCH_STATE_PREPARING && state != PATCH_STATE_KEPT && changes_nothing(record))) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED,
                    "the patch record at %#" G_GINT64_MODIFIER "x in the guest is damaged; nothing can be concluded "
                    "from it, and the update it stood for can only be removed by a reboot", va);
        return NULL;
    }
    record->state = state;
    return g_steal_pointer(&record);
}
