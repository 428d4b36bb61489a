/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The data of the kernel that an update's object changes: what its maker asked for, and what follows from the patch.
 */
#ifndef PATCHER_NEW_DATA_H
#define PATCHER_NEW_DATA_H

#include "patcher/diff.h"
#include "patcher/initial.h"
#include "patcher/new-code.h"
#include "patcher/old-code.h"
#include "patcher/setting.h"

/* Number of the item of SETTING's variable in ELF, the object as the kernel's build makes it; -1 if there is none.
 * PATCH_ERROR_USAGE: several. */
gboolean patch_new_data_find(const PatchElf *elf, const PatchSetting *setting, gint32 *item, GError **error);

/* Adds what SETTING asks for to OBJECT; its variable is ITEM of ELF. NOTES (of char *) receives what the user should know.
 * PATCH_ERROR_USAGE: it does not make sense; DOES_NOT_FIT: it cannot be done. */
gboolean patch_new_data_set(PatchObject *object, const PatchElf *elf, PatchOldCode *old, gint32 item,
                            const PatchSetting *setting, GPtrArray *notes, GError **error);

/* Adds the new value of INITIAL, of DIFF, to OBJECT; ELF as above. PATCH_ERROR_DOES_NOT_FIT: it cannot be done. */
gboolean patch_new_data_derive(PatchObject *object, const PatchElf *elf, PatchDiff *diff, PatchOldCode *old,
                               PatchNewCode *code, const PatchInitial *initial, GError **error);

/* PATCH_ERROR_USAGE: two of OBJECT's data have bits in common. */
gboolean patch_new_data_check(const PatchObject *object, GError **error);

#endif
