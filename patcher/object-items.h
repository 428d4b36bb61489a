/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last step of reading an object: its functions and data, and what takes decoding its code.
 */
#ifndef PATCHER_OBJECT_ITEMS_H
#define PATCHER_OBJECT_ITEMS_H

#include "patcher/object.h"

/* Fills in items, by_name, and each relocation's tail; and adds the relocations that the assembler resolved by itself,
 * between functions of one section. PATCH_ERROR_FAILED: no decoder. */
gboolean patch_elf_add_items(PatchElf *elf, GError **error);

#endif
