/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Object files, from anyone: reading one refuses it, or gives an object that can be compared with itself and has its
 * debugging information read.
 */
#include "patcher/changes.h"
#include "tests/fuzz/fuzz.h"

void
fuzz(const guint8 *data, gsize size)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(PatchElf) elf = patch_elf_parse(bytes, NULL);
    g_autoptr(PatchChanges) changes = NULL;

    if (elf)
        changes = patch_changes_find(elf, elf, NULL);
}
