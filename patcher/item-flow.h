/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the code of an object does with the address of one of its functions or data: whether it gives it away, or only looks at it,
 * compares it, or has it used for as long as a call takes.
 */
#ifndef PATCHER_ITEM_FLOW_H
#define PATCHER_ITEM_FLOW_H

#include "patcher/object.h"

/* Of PatchLeaves (register-flow.h). ENTRIES are the object's (patch_tables_read). */
guint patch_item_leaves(const PatchElf *elf, GArray *entries, guint32 item);

#endif
