/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The unwind data of an object file, which objtool has put there: .orc_unwind_ip says where, .orc_unwind what.
 * Source: tools/objtool/orc_gen.c and arch/x86/include/asm/orc_types.h of Linux.
 */
#ifndef PATCHER_UNWIND_TABLE_H
#define PATCHER_UNWIND_TABLE_H

#include "patcher/object.h"

/* From here on up to the next one. */
typedef struct {
    guint32 section;
    guint64 offset;             /* bytes from the start of the section */
    guint64 entry;              /* as in PatchUnwind */
} PatchUnwindPlace;

/* Of PatchUnwindPlace, by ascending section and offset; empty, with *ENTRY_BYTES 0, if the object has none, as those of
 * a kernel with another unwinder. PATCH_ERROR_FAILED: a layout that is not known. */
GArray *patch_unwind_table_read(const PatchElf *elf, guint8 *entry_bytes, GError **error);

/* Index into PLACES of the one that is in force at OFFSET in SECTION, or, if there is none, of the first behind it. */
guint patch_unwind_table_at(const GArray *places, guint32 section, guint64 offset);

#endif
