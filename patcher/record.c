/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/record.h"

#include <string.h>

#include "patcher/error.h"

/* Header, little-endian: magic (8), version (4), state (4), block bytes (8), record offset (8), record bytes (4), zero
 * or the pages of the region (4), the first 24 bytes of the SHA-256 of the record. */
#define MAGIC "VLPblock"
#define VERSION 6
#define VERSION_WITHOUT_REGIONS 5
#define REGION_OFFSET 36
#define DIGEST_OFFSET 40
#define DIGEST_BYTES 24
#define MAX_BLOCK_BYTES (64 * 1024 * 1024)

#define JUMP_TYPE "(stttttayay)"
#define PLACED_TYPE "(sytts)"
#define VALUE_TYPE "(syta(tt)ayayay)"
#define HOOK_TYPE "(sytu)"
#define PARTS_TYPE "(stt)asat(tt)(tt)tta" JUMP_TYPE "a" PLACED_TYPE "a" VALUE_TYPE "a" HOOK_TYPE
#define RECORD_TYPE "(ssssasxt" PARTS_TYPE ")"

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

static GVariant *
bytes_variant(GBytes *bytes)
{
    return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), 1);
}

static GVariant *
little_endian(GVariant *value)
{
    g_autoptr(GVariant) sunk = g_variant_ref_sink(value);

    return G_BYTE_ORDER == G_LITTLE_ENDIAN ? g_steal_pointer(&sunk) : g_variant_byteswap(sunk);
}

static GVariant *
jumps_variant(const PatchRecord *record)
{
    GVariantBuilder jumps;

    g_variant_builder_init(&jumps, G_VARIANT_TYPE("a" JUMP_TYPE));
    for (guint i = 0; i < record->jumps->len; i++) {
        const PatchJump *jump = record->jumps->pdata[i];

        g_variant_builder_add(&jumps, "(sttttt@ay@ay)", jump->name, jump->va, jump->size, jump->replacement_va,
                              jump->replacement_size, jump->jump_va, bytes_variant(jump->before),
                              bytes_variant(jump->jump));
    }
    return g_variant_builder_end(&jumps);
}

static GVariant *
placed_variant(const PatchRecord *record)
{
    GVariantBuilder placed;

    g_variant_builder_init(&placed, G_VARIANT_TYPE("a" PLACED_TYPE));
    for (guint i = 0; i < record->placed->len; i++) {
        const PatchPlaced *piece = record->placed->pdata[i];

        g_variant_builder_add(&placed, PLACED_TYPE, piece->name, (guchar) piece->kind, piece->va, piece->size,
                              piece->sha256);
    }
    return g_variant_builder_end(&placed);
}

static GVariant *
pointers_variant(const PatchValue *value)
{
    GVariantBuilder pointers;

    g_variant_builder_init(&pointers, G_VARIANT_TYPE("a(tt)"));
    for (guint i = 0; i < value->pointers->len; i++) {
        const PatchPointer *pointer = &g_array_index(value->pointers, PatchPointer, i);

        g_variant_builder_add(&pointers, "(tt)", pointer->va, pointer->target);
    }
    return g_variant_builder_end(&pointers);
}

static GVariant *
values_variant(const PatchRecord *record)
{
    GVariantBuilder values;

    g_variant_builder_init(&values, G_VARIANT_TYPE("a" VALUE_TYPE));
    for (guint i = 0; i < record->values->len; i++) {
        const PatchValue *value = record->values->pdata[i];

        g_variant_builder_add(&values, "(syt@a(tt)@ay@ay@ay)", value->name, (guchar) value->form, value->va,
                              pointers_variant(value), bytes_variant(value->mask), bytes_variant(value->before),
                              bytes_variant(value->after));
    }
    return g_variant_builder_end(&values);
}

static GVariant *
hooks_variant(const PatchRecord *record)
{
    GVariantBuilder hooks;

    g_variant_builder_init(&hooks, G_VARIANT_TYPE("a" HOOK_TYPE));
    for (guint i = 0; i < record->hooks->len; i++) {
        const PatchHookPlace *hook = record->hooks->pdata[i];

        g_variant_builder_add(&hooks, HOOK_TYPE, hook->name, (guchar) hook->kind, hook->va, hook->limit_s);
    }
    return g_variant_builder_end(&hooks);
}

GBytes *
patch_record_save(const PatchRecord *record)
{
    static const char *const none[] = { NULL };
    GVariant *replaces = g_variant_new_fixed_array(G_VARIANT_TYPE_UINT64, record->replaces->data,
                                                   record->replaces->len, sizeof(GuestVa));
    g_autoptr(GVariant) value = NULL;

    value = little_endian(g_variant_new("(ssss^asxt(stt)^as@at(tt)(tt)tt@a" JUMP_TYPE "@a" PLACED_TYPE
                                        "@a" VALUE_TYPE "@a" HOOK_TYPE ")", record->id, record->description, record->kernel,
                                        record->tool,
                                        record->cves ? (const char *const *) record->cves : none, record->applied_at,
                                        record->sequence, record->module.name, record->module.module,
                                        record->module.base,
                                        record->waiting ? (const char *const *) record->waiting : none, replaces,
                                        record->block.va, record->block.length, record->data.va, record->data.length,
                                        record->code_va, record->known_va, jumps_variant(record),
                                        placed_variant(record), values_variant(record), hooks_variant(record)));
    return g_variant_get_data_as_bytes(value);
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

    if (memcmp(header, MAGIC, 8) != 0 || (version != VERSION && version != VERSION_WITHOUT_REGIONS))
        return FALSE;
    if (length < PATCH_BLOCK_HEADER_BYTES || length > MAX_BLOCK_BYTES || length % PATCH_BLOCK_ALIGNMENT != 0)
        return FALSE;
    *block_bytes = length;
    return TRUE;
}

static GBytes *
bytes_of(GVariant *value)
{
    return g_variant_get_data_as_bytes(value);
}

static void
load_jumps(PatchRecord *record, GVariantIter *iter)
{
    const char *name;
    GuestVa va, replacement_va, jump_va;
    guint64 size, replacement_size;
    GVariant *before, *after;

    while (g_variant_iter_loop(iter, "(&sttttt@ay@ay)", &name, &va, &size, &replacement_va, &replacement_size,
                               &jump_va, &before, &after)) {
        PatchJump *jump = g_new0(PatchJump, 1);

        *jump = (PatchJump) {
            .name = g_strdup(name), .va = va, .size = size,
            .replacement_va = replacement_va, .replacement_size = replacement_size, .jump_va = jump_va,
            .before = bytes_of(before), .jump = bytes_of(after),
        };
        g_ptr_array_add(record->jumps, jump);
    }
}

static void
load_placed(PatchRecord *record, GVariantIter *iter)
{
    const char *name, *sha256;
    GuestVa va;
    guint64 size;
    guchar kind;

    while (g_variant_iter_loop(iter, "(&sytt&s)", &name, &kind, &va, &size, &sha256)) {
        PatchPlaced *placed = g_new0(PatchPlaced, 1);

        *placed = (PatchPlaced) {
            .name = g_strdup(name), .kind = kind, .va = va, .size = size, .sha256 = g_strdup(sha256),
        };
        g_ptr_array_add(record->placed, placed);
    }
}

static void
load_values(PatchRecord *record, GVariantIter *iter)
{
    const char *name;
    guchar form;
    GuestVa va;
    GVariantIter *pointers;
    GVariant *mask, *before, *after;

    while (g_variant_iter_loop(iter, "(&syta(tt)@ay@ay@ay)", &name, &form, &va, &pointers, &mask, &before, &after)) {
        PatchValue *value = g_new0(PatchValue, 1);
        PatchPointer pointer;

        *value = (PatchValue) {
            .name = g_strdup(name), .form = form, .va = va, .pointers = g_array_new(FALSE, FALSE, sizeof(PatchPointer)),
            .mask = bytes_of(mask), .before = bytes_of(before), .after = bytes_of(after),
        };
        while (g_variant_iter_next(pointers, "(tt)", &pointer.va, &pointer.target))
            g_array_append_val(value->pointers, pointer);
        g_ptr_array_add(record->values, value);
    }
}

static void
load_hooks(PatchRecord *record, GVariantIter *iter)
{
    const char *name;
    guchar kind;
    GuestVa va;
    guint32 limit_s;

    while (g_variant_iter_loop(iter, "(&sytu)", &name, &kind, &va, &limit_s)) {
        PatchHookPlace *hook = g_new0(PatchHookPlace, 1);

        *hook = (PatchHookPlace) { g_strdup(name), kind, va, limit_s };
        g_ptr_array_add(record->hooks, hook);
    }
}

static void
load_replaces(PatchRecord *record, GVariant *replaces)
{
    gsize n;
    const GuestVa *blocks = g_variant_get_fixed_array(replaces, &n, sizeof *blocks);

    g_array_append_vals(record->replaces, blocks, n);
}

static gboolean
within(const PatchArea *area, GuestVa va, guint64 length)
{
    return va >= area->va && length <= area->length && va - area->va <= area->length - length;
}

static gboolean
is_possible_value(const PatchValue *value)
{
    gsize length = g_bytes_get_size(value->after);

    return length > 0 && length <= PATCH_MAX_VALUE_BYTES && value->va + length > value->va &&
           g_bytes_get_size(value->before) == length && g_bytes_get_size(value->mask) == length &&
           (guint) value->form < PATCH_N_FORMS && value->pointers->len <= PATCH_MAX_POINTERS;
}

/* In a region, all that there is lies in it. */
static gboolean
is_possible_room(const PatchRecord *record)
{
    const PatchArea region_data = patch_record_region_data(record);

    return record->region_bytes == 0 ||
           (record->code_va == record->block.va &&
            (record->data.length == 0 || within(&region_data, record->data.va, record->data.length)));
}

/* A record is the guest's word. What it says of itself has to hang together before any of it is acted on. */
static gboolean
is_consistent(const PatchRecord *record, GuestVa va, guint64 block_bytes)
{
    const PatchArea code = { record->code_va, record->block.length };

    if (record->block.va != va || record->block.length != block_bytes || code.va + code.length < code.va ||
        record->data.length > MAX_BLOCK_BYTES || record->data.va + record->data.length < record->data.va ||
        (record->known_va && !within(&record->data, record->known_va, 1)) || !is_possible_room(record))
        return FALSE;
    for (guint i = 0; i < record->jumps->len; i++) {
        const PatchJump *jump = record->jumps->pdata[i];
        gsize length = g_bytes_get_size(jump->jump);

        if (length == 0 || length > PATCH_MAX_JUMP_BYTES || g_bytes_get_size(jump->before) != length)
            return FALSE;
        if (!within(&(PatchArea) { jump->va, jump->size }, jump->jump_va, length) ||
            !within(&code, jump->replacement_va, jump->replacement_size))
            return FALSE;
    }
    for (guint i = 0; i < record->placed->len; i++) {
        const PatchPlaced *placed = record->placed->pdata[i];
        gboolean is_data = placed->kind == PATCH_PIECE_DATA || placed->kind == PATCH_PIECE_BSS;

        if (!within(is_data ? &record->data : &code, placed->va, placed->size))
            return FALSE;
    }
    for (guint i = 0; i < record->values->len; i++)
        if (!is_possible_value(record->values->pdata[i]))
            return FALSE;
    for (guint i = 0; i < record->hooks->len; i++) {
        const PatchHookPlace *hook = record->hooks->pdata[i];

        if ((guint) hook->kind >= PATCH_N_HOOK_KINDS || !within(&code, hook->va, 1) ||
            hook->limit_s > PATCH_MAX_HOOK_SECONDS)
            return FALSE;
    }
    return record->values->len <= PATCH_MAX_VALUES;
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
                                 region_bytes - block_bytes <= MAX_BLOCK_BYTES);
}

static PatchRecord *
load_body(GBytes *body)
{
    g_autoptr(GVariant) raw = g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(RECORD_TYPE), body, FALSE));
    g_autoptr(GVariant) value = G_BYTE_ORDER == G_LITTLE_ENDIAN ? g_variant_ref(raw) : g_variant_byteswap(raw);
    g_autoptr(PatchRecord) record = patch_record_new();
    g_autoptr(GVariantIter) jumps = NULL, placed = NULL, values = NULL, hooks = NULL;
    g_autoptr(GVariant) replaces = NULL;
    const char *id;

    if (!g_variant_is_normal_form(value))
        return NULL;
    g_variant_get(value, "(&ssss^asxt(stt)^as@at(tt)(tt)tta" JUMP_TYPE "a" PLACED_TYPE "a" VALUE_TYPE "a" HOOK_TYPE ")",
                  &id,
                  &record->description, &record->kernel, &record->tool, &record->cves, &record->applied_at, &record->sequence,
                  &record->module.name, &record->module.module, &record->module.base, &record->waiting, &replaces,
                  &record->block.va, &record->block.length, &record->data.va, &record->data.length, &record->code_va,
                  &record->known_va, &jumps, &placed, &values, &hooks);
    if (strlen(id) != PATCH_ID_LENGTH || strspn(id, "abcdefghijklmnopqrstuvwxyz234567") != PATCH_ID_LENGTH)
        return NULL;
    g_strlcpy(record->id, id, sizeof record->id);
    load_replaces(record, replaces);
    load_jumps(record, jumps);
    load_placed(record, placed);
    load_values(record, values);
    load_hooks(record, hooks);
    return g_steal_pointer(&record);
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
    if (state >= PATCH_STATE_PREPARING && state <= PATCH_STATE_REMOVING && is_possible_region(region_bytes, block_bytes) &&
        offset >= PATCH_BLOCK_HEADER_BYTES && offset % 8 == 0 && offset <= length && body_bytes <= length - offset) {
        digest(block + offset, body_bytes, expected);
        if (memcmp(expected, block + DIGEST_OFFSET, DIGEST_BYTES) == 0) {
            body = g_bytes_new(block + offset, body_bytes);
            record = load_body(body);
            if (record)
                record->region_bytes = region_bytes;
        }
    }
    if (!record || !is_consistent(record, va, block_bytes) ||
        (state != PATCH_STATE_PREPARING && changes_nothing(record))) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED,
                    "the patch record at %#" G_GINT64_MODIFIER "x in the guest is damaged; nothing can be concluded "
                    "from it, and the update it stood for can only be removed by a reboot", va);
        return NULL;
    }
    record->state = state;
    return g_steal_pointer(&record);
}
