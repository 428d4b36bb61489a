/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which function or datum of one object is which of another, compiled from nearly the same source.
 *
 * Names alone do not tell: the compiler numbers static variables of functions (__already_done.12) and clones
 * (foo.constprop.0), and one more of them renumbers the rest. Those are paired by who refers to them.
 */
#ifndef PATCHER_PAIRING_H
#define PATCHER_PAIRING_H

#include "patcher/object.h"

typedef struct {
    guint32 old_item, new_item;
} PatchSuccessor;

typedef struct {
    const PatchElf *old_elf, *new_elf;      /* borrowed */
    gint32 *new_of_old, *old_of_new;        /* by item; -1: it has none */
    GArray *successors;                     /* of PatchSuccessor: variables without a pair, of which the new one may be the
                                               old one by another name: they have the same size, and a user in common */
    GHashTable *ambiguous;                  /* set of char *: names without numbers of which some could not be paired */
} PatchPairing;

/* OLD_ELF and NEW_ELF must outlive what is returned. */
PatchPairing *patch_pairing_new(const PatchElf *old_elf, const PatchElf *new_elf);
void patch_pairing_free(PatchPairing *pairing);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchPairing, patch_pairing_free)

/* Whether the item has a name, and is not part of a table that is about others. */
gboolean patch_elf_takes_part(const PatchElf *elf, guint32 item);

/* Whether it does not matter which of such items is which, nor that one is new: they only keep a message from being told too
 * often, or switch it. */
gboolean patch_elf_is_interchangeable(const PatchElf *elf, guint32 item);

/* Whether a new item that has no pair might be the same as an old one that has none. */
gboolean patch_pairing_is_ambiguous(const PatchPairing *pairing, const char *name);

#endif
