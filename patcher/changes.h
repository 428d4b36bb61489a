/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two objects side by side, for people: which functions and data changed, are new, or are gone, and what of it an update
 * could not carry. Nothing but the objects themselves is known: neither the patch nor the kernel.
 */
#ifndef PATCHER_CHANGES_H
#define PATCHER_CHANGES_H

#include "patcher/finding.h"
#include "patcher/object.h"

typedef enum { PATCH_CHANGED, PATCH_NEW, PATCH_GONE, PATCH_CARRIER } PatchChangeKind;

typedef struct {
    PatchChangeKind kind;       /* CARRIER: a caller of what cannot be replaced itself */
    gboolean is_function;
    char *name;
    char *section;
    guint64 old_bytes, new_bytes;   /* 0: not there */
    char *cause;                /* CARRIER: name of the called function; else "" */
} PatchChange;

typedef struct {
    GPtrArray *changes;         /* of PatchChange; by kind and name */
    GPtrArray *findings;        /* of PatchFinding */
} PatchChanges;

/* PATCH_ERROR_FAILED: an object that is not understood. */
PatchChanges *patch_changes_find(const PatchElf *old_elf, const PatchElf *new_elf, GError **error);
void patch_changes_free(PatchChanges *changes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchChanges, patch_changes_free)

/* One word. */
const char *patch_change_kind_name(PatchChangeKind kind);

#endif
