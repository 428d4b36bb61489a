/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the sources of an update's new code share. */
#ifndef PATCHER_NEW_CODE_PRIVATE_H
#define PATCHER_NEW_CODE_PRIVATE_H

#include "patcher/new-code.h"

struct PatchNewCode {
    PatchObject *object;
    PatchDiff *diff;
    const PatchElf *elf;
    PatchOldCode *old;
    GHashTable *replaced;
    GHashTable *pieces;         /* item -> index + 1 */
    GHashTable *literals;       /* GBytes * -> index + 1 */
    GArray *unwinds;            /* of PatchUnwindPlace; read when first needed */
    GArray *queue;              /* of guint32: items whose piece is there, but empty */
    GPtrArray *notes;           /* may be NULL */
    const PatchElfItem *noted;  /* of which the last note is */
    const PatchElfItem *current;    /* being filled in */
    gboolean as_built;
};

/* FALSE, and PATCH_ERROR_DOES_NOT_FIT: "the new code of CURRENT ...". */
gboolean patch_new_code_refuse(const PatchNewCode *code, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* The piece for the item NUMBER; one that is not there yet is added, empty, and is filled later. */
gboolean patch_new_code_piece(PatchNewCode *code, guint32 number, guint32 *index, GError **error);

/* Whether an update can carry all tables in which the function ITEM has entries. */
gboolean patch_new_code_check_tables(const PatchNewCode *code, const PatchElfItem *item, GError **error);

/* Adds what tables say of the function ITEM that became PIECE: where it may fault, and how it is unwound. */
gboolean patch_new_code_add_entries(PatchNewCode *code, const PatchElfItem *item, guint32 piece, GError **error);

#endif
