/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of data, as they are shown to people.
 */
#ifndef PATCHER_VALUE_TEXT_H
#define PATCHER_VALUE_TEXT_H

#include "patcher/record.h"

/* LENGTH BYTES as they are shown to people in that form; of a number, the bits that MASK (may be NULL: all) has. To be
 * freed. */
char *patch_value_text(PatchForm form, const guint8 *mask, const guint8 *bytes, gsize length);

/* The same of BYTES that are, were or will be where VALUE is. */
char *patch_value_bytes_text(const PatchValue *value, const guint8 *bytes);

/* The same of the BEFORE or AFTER of DATUM, of OBJECT; a pointer by what it leads to. */
char *patch_datum_text(const PatchObject *object, const PatchDatum *datum, const PatchCode *value);

#endif
