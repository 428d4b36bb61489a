/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes to structures in guest memory, thought through before any is made: what was set is what is read afterwards,
 * and in the end there is a list of words that differ from what the guest has. Nothing is written here.
 *
 * The first error sticks: from then on every word reads as zero and nothing is set, so that a caller need not look after
 * each step, as long as it comes to an end on zeros.
 */
#ifndef PATCHER_EDITS_H
#define PATCHER_EDITS_H

#include "vmm/addr.h"

typedef struct PatchEdits PatchEdits;

typedef struct {
    GuestVa va;
    guint64 before, after;      /* eight bytes each */
} PatchWordEdit;

/* Reads the eight bytes of the guest's at VA. */
typedef gboolean (*PatchEditsRead)(gpointer data, GuestVa va, guint64 *word, GError **error);

/* DATA is borrowed. */
PatchEdits *patch_edits_new(PatchEditsRead read, gpointer data);
void patch_edits_free(PatchEdits *edits);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchEdits, patch_edits_free)

guint64 patch_edits_get(PatchEdits *edits, GuestVa va);
void patch_edits_set(PatchEdits *edits, GuestVa va, guint64 word);

/* Makes an error of what was found in the guest; WHAT is its message. */
void patch_edits_fail(PatchEdits *edits, const char *what);
gboolean patch_edits_failed(const PatchEdits *edits);

/* The words that are to be changed, in the order in which they were first looked at: of PatchWordEdit, to be unreffed. NULL with
 * the error, if there was one. */
GArray *patch_edits_list(const PatchEdits *edits, GError **error);

#endif
