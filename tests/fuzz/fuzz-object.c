/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two object files, from anyone, the length of the first (4 bytes) before them: reading one refuses it, or gives an object
 * that can be compared with the other, has its debugging information read, its hooks found, and new code put together.
 */
#include <string.h>

#include "patcher/changes.h"
#include "patcher/hook-table.h"
#include "tests/fuzz/fuzz.h"

void
fuzz(const guint8 *data, gsize size)
{
    g_autoptr(GBytes) old_bytes = NULL, new_bytes = NULL;
    g_autoptr(PatchElf) old_elf = NULL, new_elf = NULL;
    g_autoptr(PatchChanges) changes = NULL;
    g_autoptr(GArray) hooks = NULL;
    guint32 old_length;

    if (size < sizeof old_length)
        return;
    memcpy(&old_length, data, sizeof old_length);
    data += sizeof old_length;
    size -= sizeof old_length;
    old_length = MIN(old_length, size);
    old_bytes = g_bytes_new(data, old_length);
    new_bytes = g_bytes_new(data + old_length, size - old_length);
    old_elf = patch_elf_parse(old_bytes, NULL);
    new_elf = patch_elf_parse(new_bytes, NULL);
    if (new_elf)
        hooks = patch_hook_table_read(new_elf, NULL);
    if (old_elf)
        changes = patch_changes_find(old_elf, new_elf ? new_elf : old_elf, NULL);
}
