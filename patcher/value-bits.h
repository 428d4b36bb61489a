/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which bits of the guest's memory a value is of, and which of them it shares with others. Nothing of the guest is read.
 */
#ifndef PATCHER_VALUE_BITS_H
#define PATCHER_VALUE_BITS_H

#include "patcher/record.h"

/* The mask, before or after of a value. */
static inline const guint8 *
patch_bits_of(GBytes *bytes)
{
    return g_bytes_get_data(bytes, NULL);
}

/* Bytes, of the value and its mask. */
gsize patch_value_length(const PatchValue *value);

/* INTO takes over those bits of FROM that both masks have; all four are of LENGTH bytes. */
void patch_bits_blend(guint8 *into, const guint8 *from, const guint8 *mask, const guint8 *own_mask, gsize length);

/* Whether two contents of VALUE's bytes are the same in the bits that are meant. */
gboolean patch_value_agrees(const PatchValue *value, const guint8 *one, const guint8 *other);

/* The part of OTHER that lies where VALUE does: its length in bytes, 0 if there is none, and where it begins in both. */
gsize patch_value_overlap(const PatchValue *value, const PatchValue *other, gsize *in_value, gsize *in_other);

/* Whether any bit belongs to both; of a record, to any of its values. */
gboolean patch_value_shares_bits(const PatchValue *value, const PatchValue *other);
gboolean patch_record_shares_bits(const PatchRecord *record, const PatchValue *value);

#endif
