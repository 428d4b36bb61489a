/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types of the BTF, as the sources that implement btf.h share them. */
#ifndef INTROSPECT_BTF_PRIVATE_H
#define INTROSPECT_BTF_PRIVATE_H

#include "introspect/btf.h"
#include "introspect/cursor.h"

/* Types and members that one lookup may go through, however anonymous members share types. */
#define INTRO_BTF_MAX_STEPS (1u << 15)

enum {
    INTRO_BTF_VOID, INTRO_BTF_INT, INTRO_BTF_PTR, INTRO_BTF_ARRAY, INTRO_BTF_STRUCT, INTRO_BTF_UNION, INTRO_BTF_ENUM,
    INTRO_BTF_FWD, INTRO_BTF_TYPEDEF, INTRO_BTF_VOLATILE, INTRO_BTF_CONST, INTRO_BTF_RESTRICT, INTRO_BTF_FUNC,
    INTRO_BTF_FUNC_PROTO, INTRO_BTF_VAR, INTRO_BTF_DATASEC, INTRO_BTF_FLOAT, INTRO_BTF_DECL_TAG, INTRO_BTF_TYPE_TAG,
    INTRO_BTF_ENUM64, INTRO_BTF_N_KINDS
};

typedef struct {
    guint32 name, size_or_type;
    guint kind, n_items;
    gboolean kind_flag;
    IntroCursor tail;               /* at what follows the common part */
} IntroBtfType;

/* The string at OFFSET of the strings; "" if there is none. */
const char *intro_btf_string(const IntroBtf *btf, guint32 offset);

/* The type ID, behind typedefs and qualifiers; FALSE for void and for what is not there. */
gboolean intro_btf_resolve(const IntroBtf *btf, guint32 id, IntroBtfType *type);

/* Whether it is a struct or union. */
gboolean intro_btf_is_composite(const IntroBtfType *type);

/* All structs and unions NAME, one after the other, by ascending id: *AT begins as the first function says; *STEPS, which
 * begins at zero, counts what was looked at. FALSE: there are no more. */
guint32 intro_btf_first_composite(const IntroBtf *btf, const char *name);
gboolean intro_btf_next_composite(const IntroBtf *btf, const char *name, guint32 *at, guint *steps, IntroBtfType *type);

#endif
