/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's red-black trees, changed as lib/rbtree.c would, in guest memory that stands still.
 * Source: include/linux/rbtree.h; Cormen et al., Introduction to Algorithms, chapter 13.
 *
 * The guest's nodes may be anything: every walk is bounded, and what is no tree is an error of the edits.
 */
#ifndef PATCHER_RBTREE_EDIT_H
#define PATCHER_RBTREE_EDIT_H

#include "patcher/edits.h"

/* A tree by ascending key, as it lies in the guest. */
typedef struct {
    GuestVa root;               /* of the struct rb_root: a pointer to the topmost node */
    gint64 key;                 /* where a node's key is, 64 bits: bytes from its struct rb_node */
} PatchRbTree;

/* Puts NODE in, whose key is KEY; what is in its struct rb_node does not matter. */
void patch_rbtree_insert(PatchEdits *edits, const PatchRbTree *tree, GuestVa node, guint64 key);

/* Takes NODE out, which is in the tree. */
void patch_rbtree_erase(PatchEdits *edits, const PatchRbTree *tree, GuestVa node);

/* Whether NODE, whose key is KEY, is in the tree. */
gboolean patch_rbtree_has(PatchEdits *edits, const PatchRbTree *tree, GuestVa node, guint64 key);

/* The node with the lowest key, or the one with the highest; 0 if there is none. */
GuestVa patch_rbtree_end(PatchEdits *edits, const PatchRbTree *tree, gboolean highest);

#endif
