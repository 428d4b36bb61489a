/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An object's debugging information, opened with libdw. Internal to what reads it.
 */
#ifndef PATCHER_DWARF_FILE_H
#define PATCHER_DWARF_FILE_H

#include <elfutils/libdw.h>

#include "patcher/object.h"

typedef struct {
    char *copy;                 /* of the object, with its relocations applied as if everything was loaded at zero */
    Elf *file;
    Dwarf *dwarf;
} PatchDwarfFile;

/* FALSE if ELF has no debugging information, or none that can be read; then there is nothing to close. */
gboolean patch_dwarf_open(PatchDwarfFile *file, const PatchElf *elf);
void patch_dwarf_close(PatchDwarfFile *file);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PatchDwarfFile, patch_dwarf_close)

#endif
