/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "patcher/error.h"
#include "patcher/kept.h"
#include "patcher/record.h"

#define VA 0xffffffff9d002000
#define DATA_VA 0xffffffff9e400000
#define STATE_BYTE PATCH_BLOCK_STATE_OFFSET
#define VERSION_BYTE 8

static PatchRecord *
sample_record(void)
{
    static const char *const cves[] = { "CVE-2026-1", "CVE-2026-2", NULL }, *const waiting[] = { "dm_crypt", NULL };
    const GuestVa replaced = VA + PATCH_PAGE_BYTES;
    PatchRecord *record = patch_record_new();
    PatchJump *jump = g_new0(PatchJump, 1);
    PatchPlaced *text = g_new0(PatchPlaced, 1), *data = g_new0(PatchPlaced, 1);
    PatchValue *value = g_new0(PatchValue, 1);
    PatchHookPlace *hook = g_new0(PatchHookPlace, 1);
    const PatchPointer pointer = { 0xffffffff9d812340, 0xffff888003a41000 };

    g_strlcpy(record->id, "abcdef27", sizeof record->id);
    record->description = g_strdup("a fix");
    record->kernel = g_strdup("6.1.192");
    record->tool = g_strdup("virt-livepatch test");
    record->cves = g_strdupv((char **) cves);
    record->applied_at = 1790000000;
    record->sequence = 7;
    record->module = (PatchModule) { g_strdup("nf_tables"), 0xffffffffc0123480, 0xffffffffc0100000 };
    record->waiting = g_strdupv((char **) waiting);
    g_array_append_val(record->replaces, replaced);
    record->block = (PatchArea) { VA, PATCH_PAGE_BYTES };
    record->code_va = VA;
    record->data = (PatchArea) { DATA_VA, PATCH_PAGE_BYTES };
    *jump = (PatchJump) {
        .name = g_strdup("uptime_proc_show"), .va = 0xffffffff9c123450, .size = 0x123,
        .replacement_va = VA + 64, .replacement_size = 0x200, .jump_va = 0xffffffff9c123455,
        .before = g_bytes_new_static("\x41\x57\x41\x56\x55", 5), .jump = g_bytes_new_static("\xe9\x01\x02\x03\x04", 5),
    };
    g_ptr_array_add(record->jumps, jump);
    *text = (PatchPlaced) {
        .name = g_strdup("uptime_proc_show"), .kind = PATCH_PIECE_TEXT, .va = VA + 64, .size = 0x200, .sha256 = g_strnfill(64, 'a'),
    };
    *data = (PatchPlaced) {
        .name = g_strdup("counter"), .kind = PATCH_PIECE_DATA, .va = DATA_VA + 8, .size = 8, .sha256 = g_strdup(""),
    };
    *value = (PatchValue) {
        .name = g_strdup("settings->flag"), .form = PATCH_FORM_NUMBER, .va = 0xffff888003a41010,
        .pointers = g_array_new(FALSE, FALSE, sizeof(PatchPointer)), .mask = g_bytes_new_static("\x30", 1),
        .before = g_bytes_new_static("\x10", 1), .after = g_bytes_new_static("\x20", 1),
    };
    g_array_append_val(value->pointers, pointer);
    g_ptr_array_add(record->values, value);
    g_ptr_array_add(record->placed, text);
    g_ptr_array_add(record->placed, data);
    *hook = (PatchHookPlace) { g_strdup("get_ready"), PATCH_HOOK_POST_APPLY, VA + 128, 5 };
    g_ptr_array_add(record->hooks, hook);
    return record;
}

/* A block as apply writes it. */
static guint8 *
sample_block(const PatchRecord *record)
{
    guint8 *block = g_malloc(record->block.length);
    g_autoptr(GBytes) body = patch_record_save(record);

    memset(block, PATCH_EMPTY_TEXT, record->block.length);
    memcpy(block + 1024, g_bytes_get_data(body, NULL), g_bytes_get_size(body));
    patch_record_fill_header(block, PATCH_STATE_INSTALLED, record->block.length, 1024, body);
    return block;
}

static void
test_round_trip(void)
{
    g_autoptr(PatchRecord) record = sample_record();
    g_autofree guint8 *block = sample_block(record);
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchRecord) again = patch_record_load(VA, block, PATCH_PAGE_BYTES, &error);
    const PatchJump *jump, *jump_again;
    const PatchPlaced *placed;
    const PatchHookPlace *hook;
    const PatchValue *value;
    guint64 length;

    g_assert_no_error(error);
    g_assert_true(patch_record_is_header(block, &length));
    g_assert_cmpuint(length, ==, PATCH_PAGE_BYTES);
    g_assert_cmpstr(again->id, ==, record->id);
    g_assert_cmpint(again->state, ==, PATCH_STATE_INSTALLED);
    g_assert_cmpstr(again->description, ==, "a fix");
    g_assert_cmpstrv(again->cves, record->cves);
    g_assert_cmpint(again->applied_at, ==, record->applied_at);
    g_assert_cmpuint(again->sequence, ==, 7);
    g_assert_cmpstr(again->module.name, ==, "nf_tables");
    g_assert_cmpuint(again->module.module, ==, record->module.module);
    g_assert_cmpuint(again->module.base, ==, record->module.base);
    g_assert_cmpstrv(again->waiting, record->waiting);
    g_assert_cmpuint(again->replaces->len, ==, 1);
    g_assert_cmpuint(g_array_index(again->replaces, GuestVa, 0), ==, VA + PATCH_PAGE_BYTES);
    g_assert_cmpuint(again->data.va, ==, DATA_VA);
    g_assert_cmpuint(again->jumps->len, ==, 1);
    jump = record->jumps->pdata[0];
    jump_again = again->jumps->pdata[0];
    g_assert_cmpstr(jump_again->name, ==, jump->name);
    g_assert_cmpuint(jump_again->va, ==, jump->va);
    g_assert_cmpuint(jump_again->size, ==, jump->size);
    g_assert_cmpuint(jump_again->replacement_va, ==, jump->replacement_va);
    g_assert_cmpuint(jump_again->replacement_size, ==, jump->replacement_size);
    g_assert_cmpuint(jump_again->jump_va, ==, jump->jump_va);
    g_assert_true(g_bytes_equal(jump_again->before, jump->before));
    g_assert_true(g_bytes_equal(jump_again->jump, jump->jump));
    g_assert_cmpuint(again->placed->len, ==, 2);
    placed = again->placed->pdata[1];
    g_assert_cmpstr(placed->name, ==, "counter");
    g_assert_cmpint(placed->kind, ==, PATCH_PIECE_DATA);
    g_assert_cmpuint(again->hooks->len, ==, 1);
    hook = again->hooks->pdata[0];
    g_assert_cmpstr(hook->name, ==, "get_ready");
    g_assert_cmpint(hook->kind, ==, PATCH_HOOK_POST_APPLY);
    g_assert_cmphex(hook->va, ==, VA + 128);
    g_assert_cmpuint(hook->limit_s, ==, 5);
    g_assert_cmpuint(again->values->len, ==, 1);
    value = again->values->pdata[0];
    g_assert_cmpstr(value->name, ==, "settings->flag");
    g_assert_cmpint(value->form, ==, PATCH_FORM_NUMBER);
    g_assert_cmphex(value->va, ==, 0xffff888003a41010);
    g_assert_cmpuint(value->pointers->len, ==, 1);
    g_assert_cmphex(g_array_index(value->pointers, PatchPointer, 0).target, ==, 0xffff888003a41000);
    g_assert_cmphex(*(const guint8 *) g_bytes_get_data(value->mask, NULL), ==, 0x30);
    g_assert_cmphex(*(const guint8 *) g_bytes_get_data(value->before, NULL), ==, 0x10);
    g_assert_cmphex(*(const guint8 *) g_bytes_get_data(value->after, NULL), ==, 0x20);
}

/* What apply reckons with when it asks for room before it knows any address. */
static void
test_length_without_addresses(void)
{
    g_autoptr(PatchRecord) record = sample_record();
    g_autoptr(GBytes) with = patch_record_save(record), without = NULL;
    PatchJump *jump = record->jumps->pdata[0];

    record->block = record->data = (PatchArea) { 0 };
    jump->va = jump->replacement_va = jump->jump_va = 0;
    ((PatchValue *) record->values->pdata[0])->va = 0;
    without = patch_record_save(record);
    g_assert_cmpuint(g_bytes_get_size(with), ==, g_bytes_get_size(without));
}

/* Any changed byte of header or record is noticed, except for those of the state and the version, which have
 * several valid values. */
static void
test_every_byte_counts(void)
{
    g_autoptr(PatchRecord) record = sample_record();
    g_autofree guint8 *block = sample_block(record);
    g_autoptr(GBytes) body = patch_record_save(record);
    gsize end = 1024 + g_bytes_get_size(body);

    for (gsize i = 0; i < end; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(PatchRecord) altered = NULL;

        if ((i >= PATCH_BLOCK_HEADER_BYTES && i < 1024) || (i >= 36 && i < 40))
            continue;
        block[i] ^= i == STATE_BYTE || i == VERSION_BYTE ? 0x10 : 0x01;
        altered = patch_record_load(VA, block, PATCH_PAGE_BYTES, &error);
        g_assert_null(altered);
        g_assert_error(error, PATCH_ERROR, PATCH_ERROR_FAILED);
        block[i] ^= i == STATE_BYTE || i == VERSION_BYTE ? 0x10 : 0x01;
    }
}

/* Of a block that is only claimed, nothing but where it is counts. */
static void
test_claimed(void)
{
    g_autoptr(PatchRecord) record = sample_record(), loaded = NULL;
    g_autofree guint8 *block = sample_block(record);

    block[STATE_BYTE] = PATCH_STATE_CLAIMED;
    memset(block + PATCH_BLOCK_HEADER_BYTES, 0x5a, PATCH_PAGE_BYTES - PATCH_BLOCK_HEADER_BYTES);
    loaded = patch_record_load(VA, block, PATCH_PAGE_BYTES, NULL);
    g_assert_nonnull(loaded);
    g_assert_cmpint(loaded->state, ==, PATCH_STATE_CLAIMED);
    g_assert_cmphex(loaded->block.va, ==, VA);
    g_assert_cmpuint(loaded->block.length, ==, PATCH_PAGE_BYTES);
    g_assert_cmpuint(loaded->jumps->len + loaded->placed->len + loaded->data.length, ==, 0);
}

static void
add_staying(PatchRecord *record, const char *name, PatchPieceKind kind, GuestVa va, guint64 size)
{
    PatchPlaced *placed = g_new0(PatchPlaced, 1);

    *placed = (PatchPlaced) {
        .name = g_strdup(name), .kind = kind, .stays = TRUE, .va = va, .size = size,
        .sha256 = kind == PATCH_PIECE_RODATA ? g_strnfill(64, 'b') : g_strdup(""),
    };
    g_ptr_array_add(record->placed, placed);
}

/* What of RECORD stays, as it is found in the guest. */
static PatchRecord *
kept_of(const PatchRecord *record)
{
    g_autoptr(PatchRecord) kept = patch_kept_record(record, PATCH_PAGE_BYTES), loaded = NULL;
    g_autoptr(GBytes) body = patch_record_save(kept);
    g_autofree guint8 *block = g_malloc0(PATCH_PAGE_BYTES);

    memcpy(block + 1024, g_bytes_get_data(body, NULL), g_bytes_get_size(body));
    patch_record_fill_header(block, PATCH_STATE_KEPT, PATCH_PAGE_BYTES, 1024, body);
    loaded = patch_record_load(DATA_VA, block, PATCH_PAGE_BYTES, NULL);
    g_assert_nonnull(loaded);
    return g_steal_pointer(&loaded);
}

/* Of one that is undone, what stays has a record of its own, which changes nothing; and while that one is there, it lies in its
 * data area. */
static void
test_kept(void)
{
    g_autoptr(PatchRecord) record = sample_record(), loaded = NULL, whole = NULL;
    g_autofree guint8 *whole_block = NULL;
    const PatchPlaced *name;

    add_staying(record, "a string", PATCH_PIECE_RODATA, DATA_VA + 0x300, 9);
    loaded = kept_of(record);
    g_assert_cmpint(loaded->state, ==, PATCH_STATE_KEPT);
    g_assert_cmpstr(loaded->id, ==, record->id);
    g_assert_cmpuint(loaded->jumps->len + loaded->values->len + loaded->hooks->len, ==, 0);
    g_assert_cmpuint(patch_kept_bytes(loaded), ==, 9);
    g_assert_cmpuint(loaded->placed->len, ==, 1);
    name = loaded->placed->pdata[0];
    g_assert_true(name->stays);
    g_assert_cmpint(name->kind, ==, PATCH_PIECE_RODATA);
    g_assert_cmphex(name->va, ==, DATA_VA + 0x300);

    whole_block = sample_block(record);
    whole = patch_record_load(VA, whole_block, PATCH_PAGE_BYTES, NULL);
    g_assert_nonnull(whole);
    g_assert_cmpuint(patch_kept_bytes(whole), ==, 9);
    g_assert_false(((const PatchPlaced *) whole->placed->pdata[0])->stays);
    ((PatchPlaced *) record->placed->pdata[2])->va = VA + 0x300;
    g_free(whole_block);
    whole_block = sample_block(record);
    g_assert_null(patch_record_load(VA, whole_block, PATCH_PAGE_BYTES, NULL));
}

static void
assert_text(const PatchRecord *record, const char *expected)
{
    g_autofree char *text = patch_kept_text(record);

    g_assert_cmpstr(text, ==, expected);
}

/* Variables that stay are told by name, and go on being what they are. */
static void
test_kept_variables(void)
{
    g_autoptr(PatchRecord) record = sample_record(), loaded = NULL, whole = NULL;
    g_autofree guint8 *whole_block = NULL;
    guint n_placed = record->placed->len;

    add_staying(record, "label", PATCH_PIECE_BSS, DATA_VA + 0x40, 16);
    assert_text(record, "16 bytes of variables (label)");
    add_staying(record, "highest", PATCH_PIECE_DATA, DATA_VA + 0x50, 4);
    add_staying(record, "a string", PATCH_PIECE_RODATA, DATA_VA + 0x54, 9);
    loaded = kept_of(record);
    assert_text(loaded, "9 bytes of constants, and 20 bytes of variables (label, highest)");
    g_assert_cmpuint(patch_kept_bytes(loaded), ==, 29);
    g_assert_cmpint(((const PatchPlaced *) loaded->placed->pdata[0])->kind, ==, PATCH_PIECE_BSS);
    g_assert_cmpint(((const PatchPlaced *) loaded->placed->pdata[1])->kind, ==, PATCH_PIECE_DATA);

    whole_block = sample_block(record);
    whole = patch_record_load(VA, whole_block, PATCH_PAGE_BYTES, NULL);
    g_assert_nonnull(whole);
    g_assert_cmpuint(patch_kept_bytes(whole), ==, 29);
    ((PatchPlaced *) record->placed->pdata[n_placed])->va = VA + 0x300;
    g_free(whole_block);
    whole_block = sample_block(record);
    g_assert_null(patch_record_load(VA, whole_block, PATCH_PAGE_BYTES, NULL));
}

static void
test_truncated(void)
{
    g_autoptr(PatchRecord) record = sample_record();
    g_autofree guint8 *block = sample_block(record);

    for (gsize length = 0; length < PATCH_PAGE_BYTES; length++) {
        g_autofree guint8 *shorter = g_memdup2(block, length);
        g_autoptr(PatchRecord) loaded = patch_record_load(VA, shorter, length, NULL);

        g_assert_null(loaded);
    }
}

static void
expect_refused(PatchRecord *record)
{
    g_autofree guint8 *block = sample_block(record);
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchRecord) loaded = patch_record_load(VA, block, PATCH_PAGE_BYTES, &error);

    g_assert_null(loaded);
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_FAILED);
}

/* Block and data are one region. */
static void
test_region(void)
{
    g_autoptr(PatchRecord) record = sample_record(), loaded = NULL, claimed = NULL, outside = NULL, second_address = NULL;
    g_autofree guint8 *block = NULL;

    record->data.va = VA + PATCH_PAGE_BYTES;
    ((PatchPlaced *) record->placed->pdata[1])->va = record->data.va + 8;
    block = sample_block(record);
    patch_record_mark_region(block, 2);
    loaded = patch_record_load(VA, block, PATCH_PAGE_BYTES, NULL);
    g_assert_nonnull(loaded);
    g_assert_cmpuint(loaded->region_bytes, ==, 2 * PATCH_PAGE_BYTES);
    g_assert_cmphex(patch_record_region_data(loaded).va, ==, VA + PATCH_PAGE_BYTES);
    g_assert_cmpuint(patch_record_region_data(loaded).length, ==, PATCH_PAGE_BYTES);
    patch_record_mark_region(block, 1);
    outside = patch_record_load(VA, block, PATCH_PAGE_BYTES, NULL);
    g_assert_null(outside);
    block[STATE_BYTE] = PATCH_STATE_CLAIMED;
    claimed = patch_record_load(VA, block, PATCH_PAGE_BYTES, NULL);
    g_assert_nonnull(claimed);
    g_assert_cmpuint(claimed->region_bytes, ==, PATCH_PAGE_BYTES);
    g_clear_pointer(&block, g_free);
    record->code_va += PATCH_PAGE_BYTES;
    record->known_va = 0;
    block = sample_block(record);
    patch_record_mark_region(block, 2);
    second_address = patch_record_load(VA, block, PATCH_PAGE_BYTES, NULL);
    g_assert_null(second_address);
}

/* Format 5 had no regions, 6 nothing that stays, and 7 no variables that do; else they are the same. Others are not read. */
static void
test_versions(void)
{
    g_autoptr(PatchRecord) record = sample_record();
    g_autofree guint8 *block = sample_block(record);
    guint64 length;

    for (block[VERSION_BYTE] = 5; block[VERSION_BYTE] <= 8; block[VERSION_BYTE]++) {
        g_autoptr(PatchRecord) loaded = patch_record_load(VA, block, PATCH_PAGE_BYTES, NULL);

        g_assert_nonnull(loaded);
    }
    block[VERSION_BYTE] = 4;
    g_assert_false(patch_record_is_header(block, &length));
    block[VERSION_BYTE] = 9;
    g_assert_false(patch_record_is_header(block, &length));
}

/* A guest can compute a digest, too: records that are well made and would still make undo write where it must not. */
static void
test_lies(void)
{
    g_autoptr(PatchRecord) elsewhere = sample_record(), outside = sample_record(), far = sample_record();
    g_autoptr(PatchRecord) long_jump = sample_record(), bad_data = sample_record(), bad_id = sample_record();
    g_autoptr(PatchRecord) wraps = sample_record(), uneven = sample_record(), winding = sample_record();
    g_autoptr(PatchRecord) empty = sample_record(), astray = sample_record();
    PatchHookPlace *hook;
    g_autoptr(PatchRecord) much_data = sample_record(), round_data = sample_record();
    PatchJump *jump;
    PatchPlaced *placed;
    PatchValue *value;

    elsewhere->block.va += PATCH_PAGE_BYTES;
    expect_refused(elsewhere);
    jump = outside->jumps->pdata[0];
    jump->jump_va = jump->va + jump->size - 4;
    expect_refused(outside);
    jump = far->jumps->pdata[0];
    jump->replacement_va = VA + PATCH_PAGE_BYTES - 8;
    expect_refused(far);
    jump = long_jump->jumps->pdata[0];
    g_bytes_unref(jump->jump);
    jump->jump = g_bytes_new_static("123456", 6);
    expect_refused(long_jump);
    placed = bad_data->placed->pdata[1];
    placed->va = G_MAXUINT64 - 3;
    expect_refused(bad_data);
    bad_id->id[3] = '1';
    expect_refused(bad_id);
    value = wraps->values->pdata[0];
    value->va = G_MAXUINT64;
    expect_refused(wraps);
    value = uneven->values->pdata[0];
    g_bytes_unref(value->before);
    value->before = g_bytes_new_static("12", 2);
    expect_refused(uneven);
    value = winding->values->pdata[0];
    g_array_set_size(value->pointers, PATCH_MAX_POINTERS + 1);
    expect_refused(winding);
    g_ptr_array_set_size(empty->jumps, 0);
    g_ptr_array_set_size(empty->values, 0);
    g_ptr_array_set_size(empty->hooks, 0);
    expect_refused(empty);
    hook = astray->hooks->pdata[0];
    hook->va = DATA_VA;
    expect_refused(astray);
    much_data->data.length = 1ULL << 40;
    expect_refused(much_data);
    round_data->data = (PatchArea) { G_MAXUINT64 - 4095, 8192 };
    ((PatchPlaced *) round_data->placed->pdata[1])->va = G_MAXUINT64 - 4000;
    expect_refused(round_data);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/record/round-trip", test_round_trip);
    g_test_add_func("/record/length-without-addresses", test_length_without_addresses);
    g_test_add_func("/record/every-byte-counts", test_every_byte_counts);
    g_test_add_func("/record/claimed", test_claimed);
    g_test_add_func("/record/kept", test_kept);
    g_test_add_func("/record/kept-variables", test_kept_variables);
    g_test_add_func("/record/region", test_region);
    g_test_add_func("/record/versions", test_versions);
    g_test_add_func("/record/truncated", test_truncated);
    g_test_add_func("/record/lies", test_lies);
    return g_test_run();
}
