/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Structure layouts out of the guest's own BTF.
 * Format: Documentation/bpf/btf.rst and include/uapi/linux/btf.h of Linux.
 */
#ifndef INTROSPECT_BTF_H
#define INTROSPECT_BTF_H

#include "introspect/error.h"

typedef struct IntroBtf IntroBtf;

typedef struct {
    guint32 offset_bits;    /* from the start of the outermost structure */
    guint32 size_bits;      /* of one element if it is an array */
    guint32 n_elements;     /* 1 if it is not an array */
} IntroMember;

/* DATA is the whole .BTF section; a reference is kept. INTRO_ERROR_CORRUPT. */
IntroBtf *intro_btf_new(GBytes *data, GError **error);
void intro_btf_free(IntroBtf *btf);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntroBtf, intro_btf_free)

/* MEMBER of struct or union TYPE, with dots for members of members ("thread.sp"); members of anonymous structs and
 * unions are found as in C. INTRO_ERROR_NOT_FOUND names what is missing. */
gboolean intro_btf_member(const IntroBtf *btf, const char *type, const char *member, IntroMember *found, GError **error);

/* The same for a member that begins at a byte, which all but bit fields do. */
gboolean intro_btf_offset(const IntroBtf *btf, const char *type, const char *member, gsize *offset_bytes, GError **error);

/* Without an error: whether there is such a member. */
gboolean intro_btf_has_member(const IntroBtf *btf, const char *type, const char *member);

/* sizeof(struct or union TYPE), bytes. */
gboolean intro_btf_size(const IntroBtf *btf, const char *type, gsize *size_bytes, GError **error);

/* The value of an enumerator of any enum. */
gboolean intro_btf_enumerator(const IntroBtf *btf, const char *name, gint64 *value, GError **error);

#endif
