/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/record-private.h"

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

gboolean
patch_record_is_consistent(const PatchRecord *record, GuestVa va, guint64 block_bytes)
{
    const PatchArea code = { record->code_va, record->block.length };

    if (record->block.va != va || record->block.length != block_bytes || code.va + code.length < code.va ||
        record->data.length > PATCH_MAX_BLOCK_BYTES || record->data.va + record->data.length < record->data.va ||
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
        gboolean is_variable = placed->kind == PATCH_PIECE_DATA || placed->kind == PATCH_PIECE_BSS;
        gboolean is_data = placed->stays ? record->data.length > 0 : is_variable;

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
