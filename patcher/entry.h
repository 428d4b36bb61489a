/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where in a function the jump to its replacement goes, and what it is.
 */
#ifndef PATCHER_ENTRY_H
#define PATCHER_ENTRY_H

#include "patcher/arena.h"
#include "patcher/update.h"

/*
 * Fills JUMP's jump_va, before and jump: JUMP's name, va and replacement_va are known, CODE is the function's old code.
 * PATCH_ERROR_DOES_NOT_FIT: there is no place for a jump in this function, or its replacement is out of reach.
 */
gboolean patch_entry_fill(const IntroKernel *kernel, const PatchArena *arena, const PatchCode *code, PatchJump *jump,
                          GError **error);

#endif
