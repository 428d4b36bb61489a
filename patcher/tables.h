/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The special sections of an object: tables of which each entry speaks of one place in code.
 *
 * Their layouts differ between kernels. The size of an entry is taken from the object itself: how far apart the fields
 * are that refer to code.
 */
#ifndef PATCHER_TABLES_H
#define PATCHER_TABLES_H

#include "patcher/object.h"

typedef enum {
    PATCH_TABLE_MCOUNT, PATCH_TABLE_ALTERNATIVES, PATCH_TABLE_PARAVIRT, PATCH_TABLE_SMP_LOCKS, PATCH_TABLE_JUMPS,
    PATCH_TABLE_STATIC_CALLS, PATCH_TABLE_RETPOLINES, PATCH_TABLE_RETURNS, PATCH_TABLE_ENDBRS, PATCH_TABLE_CALLS,
    PATCH_TABLE_BUGS, PATCH_TABLE_EXCEPTIONS, PATCH_TABLE_RUNTIME_POINTERS, PATCH_TABLE_RUNTIME_SHIFTS,
} PatchTableKind;

typedef struct {
    PatchTableKind kind;
    guint32 section, offset, size;      /* the entry itself; bytes */
    guint32 code_section;               /* what it speaks of */
    guint64 code_offset;
} PatchTableEntry;

typedef struct {
    guint32 feature;
    guint32 length;                     /* of the code; bytes */
    guint32 section, offset, choice_length; /* the replacement */
} PatchAlternative;

/* Every entry of every table: of PatchTableEntry, by ascending code section, offset and kind; for one place and kind in
 * the table's order.
 * PATCH_ERROR_FAILED: a table whose layout is not known. */
GArray *patch_tables_read(const PatchElf *elf, GError **error);

/* Index into ENTRIES of the first that speaks of OFFSET in SECTION, or of a place behind. */
guint patch_tables_first(GArray *entries, guint32 section, guint64 offset);

/* The call of the function tracer at the start of the SIZE bytes of code at OFFSET in SECTION, at most behind an ENDBR; NULL if
 * there is none. */
const PatchTableEntry *patch_tables_tracer(GArray *entries, guint32 section, guint64 offset, guint64 size);

/* Name of a table's section, and what an entry stands for in the source ("a WARN() or BUG()"). */
const char *patch_table_name(PatchTableKind kind);
const char *patch_table_meaning(PatchTableKind kind);

/* Whether only the kernel's own code can be in the table: what it tells is done at boot, or looked up there. Code that is compiled with
 * kernel-headers/ in front (PATCH_BUILD_NEW_CODE) does without. */
gboolean patch_table_is_for_own_code(PatchTableKind kind);

/* Whether the section is one of these tables, or belongs to one, or is for the linker, debuggers and unwinders: nothing
 * that code refers to. */
gboolean patch_tables_own(const char *section);

/* Whether the section holds functions and data of the kernel's boot, which are gone once it runs; or of a module's exit. */
gboolean patch_is_boot_section(const char *section);

/* Whether the section holds what the compiler's sanitizer has to report of one place in code: each place has a copy of its own
 * (which the reporter marks, so that it tells of it once). */
gboolean patch_is_report_section(const char *section);

/* What an entry of PATCH_TABLE_ALTERNATIVES says. PATCH_ERROR_FAILED: the layout is not known. */
gboolean patch_table_alternative(const PatchElf *elf, const PatchTableEntry *entry, PatchAlternative *alternative,
                                 GError **error);

/* The place that the 32-bit field at FIELD (bytes from the entry's start) refers to. Returns FALSE if it is not in the
 * object. */
gboolean patch_table_field(const PatchElf *elf, const PatchTableEntry *entry, guint32 field, guint32 *section,
                           guint64 *offset);

/* The relocation at FIELD of the entry; NULL if there is none. */
const PatchReloc *patch_table_reloc(const PatchElf *elf, const PatchTableEntry *entry, guint32 field);

#endif
