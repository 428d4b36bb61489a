/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hooks that a source patch brings along, as its object has them: records in a section of their own, made by
 * kernel-headers/virt-livepatch.h.
 */
#ifndef PATCHER_HOOK_TABLE_H
#define PATCHER_HOOK_TABLE_H

#include "patcher/object.h"
#include "patcher/update.h"

typedef struct {
    PatchHookKind kind;
    guint32 limit_s;
    guint32 item;               /* of the object: the function */
} PatchHookEntry;

/* Of PatchHookEntry, in the order in which the compiler has left them; to be unreffed. PATCH_ERROR_DOES_NOT_FIT: one that
 * cannot be called. */
GArray *patch_hook_table_read(const PatchElf *elf, GError **error);

/* Whether there are any. */
gboolean patch_hook_table_is_there(const PatchElf *elf);

#endif
