/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An update's code as people read it, and old and new code of a function set side by side.
 */
#ifndef PATCHER_DISASSEMBLY_H
#define PATCHER_DISASSEMBLY_H

#include "patcher/update.h"

typedef struct {
    guint32 offset, length;     /* bytes from the start of the code */
    char *text;                 /* the instruction, as the GNU assembler writes it */
    char *refers;               /* to what: name and offset, or a string in quotes; "" */
    const char *site;           /* what of it the kernel rewrites (patch_site_kind_name); NULL */
} PatchInsn;

/* One line: either index is -1 if there is nothing on that side. */
typedef struct {
    gint old_insn, new_insn;
    gboolean same;
} PatchInsnPair;

/* One function, or part of one, before and after: CODE is NULL if it is new, or gone. */
typedef struct {
    const char *name;           /* borrowed from the object */
    const PatchCode *old_code, *new_code;
} PatchCodePair;

/* What is in OBJECT: of PatchCodePair; to be unreffed. */
GArray *patch_code_pairs(const PatchObject *object);

/* The instructions of CODE (may be NULL: none), which is of OBJECT: of PatchInsn, which it owns. */
GPtrArray *patch_disassemble(const PatchObject *object, const PatchCode *code);

/* Sets them side by side: of PatchInsnPair; to be unreffed. */
GArray *patch_disassembly_align(const GPtrArray *old_insns, const GPtrArray *new_insns);

#endif
