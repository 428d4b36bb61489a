/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/value-bits.h"

gsize
patch_value_length(const PatchValue *value)
{
    return g_bytes_get_size(value->after);
}

void
patch_bits_blend(guint8 *into, const guint8 *from, const guint8 *mask, const guint8 *own_mask, gsize length)
{
    for (gsize i = 0; i < length; i++) {
        guint8 bits = mask[i] & own_mask[i];

        into[i] = (into[i] & ~bits) | (from[i] & bits);
    }
}

gboolean
patch_value_agrees(const PatchValue *value, const guint8 *one, const guint8 *other)
{
    const guint8 *mask = patch_bits_of(value->mask);

    for (gsize i = 0; i < patch_value_length(value); i++)
        if ((one[i] ^ other[i]) & mask[i])
            return FALSE;
    return TRUE;
}

gsize
patch_value_overlap(const PatchValue *value, const PatchValue *other, gsize *in_value, gsize *in_other)
{
    GuestVa first = MAX(value->va, other->va);
    GuestVa end = MIN(value->va + patch_value_length(value), other->va + patch_value_length(other));

    if (first >= end)
        return 0;
    *in_value = first - value->va;
    *in_other = first - other->va;
    return end - first;
}

gboolean
patch_value_shares_bits(const PatchValue *value, const PatchValue *other)
{
    const guint8 *mask = patch_bits_of(value->mask), *other_mask = patch_bits_of(other->mask);
    gsize at, from, n = patch_value_overlap(value, other, &at, &from);

    for (gsize i = 0; i < n; i++)
        if (mask[at + i] & other_mask[from + i])
            return TRUE;
    return FALSE;
}

gboolean
patch_record_shares_bits(const PatchRecord *record, const PatchValue *value)
{
    for (guint i = 0; i < record->values->len; i++)
        if (patch_value_shares_bits(value, record->values->pdata[i]))
            return TRUE;
    return FALSE;
}
