/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a source patch changed in an object, in meaning: two objects of the same file, built with a section for each
 * function and datum, compared function by function and datum by datum. What a field refers to is compared, not how the
 * compiler or the assembler spelt it.
 */
#ifndef PATCHER_DIFF_H
#define PATCHER_DIFF_H

#include "patcher/finding.h"
#include "patcher/pairing.h"

typedef struct {
    PatchPairing *pairing;
    GArray *old_entries, *new_entries;  /* of PatchTableEntry */
    guint8 *same;                       /* by old item: private to compare.c, as the next two */
    GHashTable *same_unpaired;          /* old item and new item in one -> the same of those that are no pair */
    GArray *decided;                    /* of guint64: what was found the same, in that order */
    GArray *changed;                    /* of guint32: functions of the new object, by ascending item, that differ from
                                           their pair; never a .cold part, whose function stands for it */
    GArray *boot_only;                  /* of guint32: the same for functions that run at boot only */
    GArray *changed_data;               /* of guint32: the same for data */
    GArray *initials;                   /* of PatchInitial (initial.h): those of them that stay where they are, and may get
                                           their new value there */
    GPtrArray *findings;                /* of PatchFinding: changes of data and of tables that an update cannot carry */
} PatchDiff;

/* PATCH_ERROR_FAILED: an object that is not understood. */
PatchDiff *patch_diff_new(const PatchElf *old_elf, const PatchElf *new_elf, GError **error);
void patch_diff_free(PatchDiff *diff);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchDiff, patch_diff_free)

/* Takes what is the same in LINES out of what DIFF found changed. LINES is of the same old object, and of a new one that
 * differs from DIFF's in line numbers only: where the patch left a line alone, it counts as it did before. */
void patch_diff_forget_lines(PatchDiff *diff, const PatchDiff *lines);

/* Says that ITEM of ELF, one of those in boot_only, changed, and by what if it did not change itself (CAUSE; NULL). */
void patch_diff_add_boot_finding(GPtrArray *findings, const PatchElf *elf, const PatchElfItem *item, const char *cause);

/* Whether the function or datum NEW_ITEM has a pair with the same content. */
gboolean patch_diff_is_same(PatchDiff *diff, guint32 new_item);

#endif
