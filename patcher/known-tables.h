/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guest's kernel wants to know of code, in the form in which its own modules bring it: symbols, places that may
 * fault, unwind data. The tables lie in the block, behind the code that they speak of.
 * Source: include/linux/module.h (struct mod_kallsyms), arch/x86/include/asm/extable.h, arch/x86/kernel/unwind_orc.c.
 */
#ifndef PATCHER_KNOWN_TABLES_H
#define PATCHER_KNOWN_TABLES_H

#include "patcher/match.h"
#include "patcher/update.h"

/* What is appended to the name of a function for the name of its new code: a probe by name stays one of the kernel's own. */
#define PATCH_KNOWN_SUFFIX ".vlp"

/* One object's code, placed. */
typedef struct {
    const PatchObject *object;
    const PatchResolved *resolved;
    const GuestVa *vas;         /* of each piece */
} PatchKnownCode;

/* Where the tables lie, bytes from the start of the block, and how much is in them. */
typedef struct {
    guint64 exceptions, symbols, unwind_ips, unwinds, types, names, end;
    guint32 n_exceptions, n_symbols, n_unwinds;
    guint8 unwind_bytes;        /* 0: no unwind data */
} PatchKnownTables;

/* Lays the tables of CODE (of PatchKnownCode; addresses do not matter) out from OFFSET on. UNWIND_BYTES: size of the
 * guest's struct orc_entry; PATCH_ERROR_DOES_NOT_FIT if the objects have another. */
gboolean patch_known_tables_lay_out(PatchKnownTables *tables, const GArray *code, guint64 offset, guint8 unwind_bytes,
                                    GError **error);

/* Fills them in, in the bytes at BLOCK, which is to be seen at VA. */
gboolean patch_known_tables_fill(const PatchKnownTables *tables, const GArray *code, GuestVa va, guint8 *block,
                                 GError **error);

#endif
