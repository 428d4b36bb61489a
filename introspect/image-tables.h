/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables by which a kernel describes itself, found in its image: its symbols and its types.
 */
#ifndef INTROSPECT_IMAGE_TABLES_H
#define INTROSPECT_IMAGE_TABLES_H

#include "introspect/btf.h"
#include "introspect/locate.h"
#include "introspect/symbols.h"

/* vmlinux's symbols, and its BTF; both to be freed. INTRO_ERROR_UNSUPPORTED: it has none of the one or the other, or has not
 * come so far in its boot; INTRO_ERROR_CORRUPT. */
gboolean intro_image_read_tables(const VmmReader *reader, const IntroImage *image, IntroSymbols **symbols, IntroBtf **btf,
                                 GError **error);

#endif
