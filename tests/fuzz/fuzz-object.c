/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Object files, from anyone: reading one refuses it, or gives an object that can be compared with itself and has its
 * debugging information read.
 */
#include "config.h"

#include "patcher/changes.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize length);

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, length);
    g_autoptr(PatchElf) elf = patch_elf_parse(bytes, NULL);

    if (elf) {
        g_autoptr(PatchChanges) changes = patch_changes_find(elf, elf, NULL);
    }
    return 0;
}
