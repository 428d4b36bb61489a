/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/values.h"

#include "patcher/jumps.h"
#include "patcher/value-bits.h"
#include "patcher/value-text.h"

gboolean
patch_value_is_reached(const IntroKernel *kernel, const PatchValue *value, const PatchPointer **where)
{
    for (guint i = 0; i < value->pointers->len; i++) {
        const PatchPointer *pointer = &g_array_index(value->pointers, PatchPointer, i);
        guint64 target;

        if (intro_space_read_u64(intro_kernel_space(kernel), pointer->va, &target, NULL) && target == pointer->target)
            continue;
        if (where)
            *where = pointer;
        return FALSE;
    }
    return TRUE;
}

static gboolean
is_among(const GPtrArray *records, const PatchRecord *record)
{
    return records && g_ptr_array_find((GPtrArray *) records, record, NULL);
}

const PatchRecord *
patch_values_latest(const IntroKernel *kernel, const PatchArena *arena, const GPtrArray *except, const PatchValue *value)
{
    GPtrArray *records = patch_arena_records(arena);

    for (guint i = records->len; i > 0; i--) {
        const PatchRecord *record = records->pdata[i - 1];

        if (record->state == PATCH_STATE_INSTALLED && !is_among(except, record) && patch_record_shares_bits(record, value) &&
            !patch_record_is_gone(kernel, arena, record))
            return record;
    }
    return NULL;
}

PatchValueState
patch_value_state(const IntroKernel *kernel, const PatchArena *arena, const PatchRecord *record, const PatchValue *value,
                  char **now)
{
    g_autofree guint8 *bytes = g_malloc(patch_value_length(value));
    const PatchRecord *latest;

    if (now)
        *now = NULL;
    if (patch_record_is_gone(kernel, arena, record) || !patch_value_is_reached(kernel, value, NULL) ||
        !intro_space_read(intro_kernel_space(kernel), value->va, bytes, patch_value_length(value), NULL))
        return PATCH_VALUE_GONE;
    if (now)
        *now = patch_value_bytes_text(value, bytes);
    if (patch_value_agrees(value, bytes, patch_bits_of(value->after)))
        return PATCH_VALUE_IN_FORCE;
    latest = patch_values_latest(kernel, arena, NULL, value);
    if (latest && latest->sequence > record->sequence)
        return PATCH_VALUE_SUPERSEDED;
    return patch_value_agrees(value, bytes, patch_bits_of(value->before)) ? PATCH_VALUE_RESTORED : PATCH_VALUE_ALTERED;
}

void
patch_values_take_out(const IntroKernel *kernel, const PatchArena *arena, GuestVa va, guint8 *bytes, gsize length)
{
    GPtrArray *records = patch_arena_records(arena);

    for (guint i = records->len; i > 0; i--) {
        const PatchRecord *record = records->pdata[i - 1];

        for (guint j = 0; j < record->values->len; j++) {
            const PatchValue *value = record->values->pdata[j];
            const guint8 *mask = patch_bits_of(value->mask), *after = patch_bits_of(value->after);
            GuestVa first = MAX(va, value->va), end = MIN(va + length, value->va + patch_value_length(value));
            gsize n = first < end ? end - first : 0, at = first - va, from = first - value->va;
            gboolean is_there = n > 0 && !patch_record_is_gone(kernel, arena, record);

            for (gsize k = 0; k < n && is_there; k++)
                is_there = !((bytes[at + k] ^ after[from + k]) & mask[from + k]);
            if (is_there)
                patch_bits_blend(bytes + at, patch_bits_of(value->before) + from, mask + from, mask + from, n);
        }
    }
}
