/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The half of an update's object that describes the running kernel: sections, symbols, literals and functions, taken
 * from the object as the kernel's build makes it; only what is asked for, each once.
 */
#ifndef PATCHER_OLD_CODE_H
#define PATCHER_OLD_CODE_H

#include "patcher/object.h"
#include "patcher/update.h"

typedef struct PatchOldCode PatchOldCode;

/* OBJECT, which is filled in, and ELF are borrowed. PATCH_ERROR_FAILED. */
PatchOldCode *patch_old_code_new(PatchObject *object, const PatchElf *elf, GError **error);
void patch_old_code_free(PatchOldCode *old);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchOldCode, patch_old_code_free)

/* Index into the object's symbols of symbol number ELF_SYMBOL of the object file. */
guint32 patch_old_code_symbol(PatchOldCode *old, guint32 elf_symbol);

/* The same for a symbol of any other object. */
guint32 patch_old_code_extern(PatchOldCode *old, const char *name);

/* Index into the object's functions of the function ELF_ITEM of the object file. */
gboolean patch_old_code_function(PatchOldCode *old, guint32 elf_item, guint32 *index, GError **error);

/* Number of the function's item in the object file; -1 if there is not exactly one of that name. */
gint32 patch_old_code_find(const PatchOldCode *old, const char *name);

/* Index into the object's symbols of the one function or datum NAME of the object file; FALSE if there is not exactly
 * one. */
gboolean patch_old_code_find_symbol(PatchOldCode *old, const char *name, guint32 *symbol);

/* The LENGTH bytes at OFFSET of the datum ELF_ITEM of the object file, with what they refer to, go to VALUE. */
gboolean patch_old_code_value(PatchOldCode *old, guint32 elf_item, guint64 offset, guint64 length, PatchCode *value,
                              GError **error);

/* Adds functions to be matched until every section that a symbol in use lies in is referred to by one of them, as far
 * as that can be: so each symbol's address follows from the match, whatever its name. There is at least one function, if
 * the object file has any: it tells that the guest runs this kernel. */
gboolean patch_old_code_add_witnesses(PatchOldCode *old, GError **error);

#endif
