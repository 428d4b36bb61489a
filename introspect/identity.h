/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which kernel it is.
 */
#ifndef INTROSPECT_IDENTITY_H
#define INTROSPECT_IDENTITY_H

#include "introspect/btf.h"
#include "introspect/space.h"
#include "introspect/symbols.h"

typedef struct {
    char *release;              /* as uname -r */
    char *version;              /* as uname -v */
    char *build_id;             /* hex; "" if there is none */
    guint64 kaslr_offset;       /* bytes */
} IntroIdentity;

/* Any error of introspect/ or of vmm/. */
gboolean intro_identity_read(const IntroSpace *space, const IntroSymbols *symbols, const IntroBtf *btf,
                             IntroIdentity *identity, GError **error);
void intro_identity_clear(IntroIdentity *identity);

/* The GNU build-id in an ELF note section, as hex; NULL if there is none. To be freed. */
char *intro_identity_find_build_id(const guint8 *notes, gsize length);

#endif
