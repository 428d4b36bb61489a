/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a function's code changed: what the patch did to its source, or to that of a function inlined in it.
 */
#ifndef PATCHER_REASONS_H
#define PATCHER_REASONS_H

#include "patcher/build.h"
#include "patcher/dwarf.h"
#include "patcher/update.h"

typedef struct PatchReasons PatchReasons;

/* FILE is the C file that the functions are of. BUILD and FILE are borrowed; takes the objects' facts, before and after
 * the patch, which may be NULL. */
PatchReasons *patch_reasons_new(const PatchBuild *build, const PatchFile *file, PatchDwarf *old_dwarf,
                                PatchDwarf *new_dwarf);
void patch_reasons_free(PatchReasons *reasons);

/* Whether the patch changes the text of FUNCTION, or that text cannot be found in the file. */
gboolean patch_reasons_is_touched(const PatchReasons *reasons, const char *function);

/* What else than its own text changes FUNCTION, which runs at boot only, such that what it did at boot is no longer right:
 * the name of a constant that the patch gives another value, or of a function of this file that only boot code of OLD_ELF
 * has inlined; NULL if nothing does. Owned by REASONS. */
const char *patch_reasons_at_boot(PatchReasons *reasons, const PatchElf *old_elf, const char *function);

/* CAUSE is set to the name of the inlined function, or to "". Owned by REASONS. */
PatchReason patch_reasons_find(const PatchReasons *reasons, const char *function, const char **cause);

#endif
