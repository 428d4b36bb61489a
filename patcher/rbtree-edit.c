/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/rbtree-edit.h"

/* A red-black tree of 2^64 nodes is not deeper. */
#define MAX_STEPS 128

/* A node: its parent, with the colour in the lowest bit; its right child; its left child. */
#define BLACK 1ULL
#define PARENT_MASK (~3ULL)

typedef enum { RIGHT = 8, LEFT = 16 } Side;

static Side
other(Side side)
{
    return side == LEFT ? RIGHT : LEFT;
}

static GuestVa
child(PatchEdits *edits, GuestVa node, Side side)
{
    return patch_edits_get(edits, node + side);
}

static GuestVa
parent(PatchEdits *edits, GuestVa node)
{
    return patch_edits_get(edits, node) & PARENT_MASK;
}

static void
set_parent(PatchEdits *edits, GuestVa node, GuestVa to)
{
    if (node)
        patch_edits_set(edits, node, to | (patch_edits_get(edits, node) & ~PARENT_MASK));
}

/* What is not there counts as black. */
static gboolean
is_red(PatchEdits *edits, GuestVa node)
{
    return node && !(patch_edits_get(edits, node) & BLACK);
}

static void
paint(PatchEdits *edits, GuestVa node, gboolean red)
{
    if (node)
        patch_edits_set(edits, node, (patch_edits_get(edits, node) & PARENT_MASK) | (red ? 0 : BLACK));
}

static void
corrupt(PatchEdits *edits)
{
    patch_edits_fail(edits, "the guest's tree of modules is damaged");
}

static void
count(PatchEdits *edits, guint *steps)
{
    if (++*steps > MAX_STEPS)
        corrupt(edits);
}

/* Which child of PARENT, which is there, NODE is. */
static Side
side_of(PatchEdits *edits, GuestVa parent, GuestVa node)
{
    if (child(edits, parent, LEFT) == node)
        return LEFT;
    if (child(edits, parent, RIGHT) != node)
        corrupt(edits);
    return RIGHT;
}

/* Where OLD hangs (below OVER, or at the root if that is 0), NEW is to hang. */
static void
hang(PatchEdits *edits, const PatchRbTree *tree, GuestVa over, GuestVa old, GuestVa new)
{
    GuestVa place = over ? over + side_of(edits, over, old) : tree->root;

    if (patch_edits_get(edits, place) != old)
        corrupt(edits);
    patch_edits_set(edits, place, new);
    set_parent(edits, new, over);
}

/* NODE goes down to SIDE, and its child of the other side comes up. */
static void
rotate(PatchEdits *edits, const PatchRbTree *tree, GuestVa node, Side side)
{
    GuestVa up = child(edits, node, other(side)), inner;

    if (!up) {
        corrupt(edits);
        return;
    }
    inner = child(edits, up, side);
    hang(edits, tree, parent(edits, node), node, up);
    patch_edits_set(edits, node + other(side), inner);
    set_parent(edits, inner, node);
    patch_edits_set(edits, up + side, node);
    set_parent(edits, node, up);
}

static void
balance_inserted(PatchEdits *edits, const PatchRbTree *tree, GuestVa node)
{
    guint steps = 0;
    GuestVa over;

    while ((over = parent(edits, node)) && is_red(edits, over) && !patch_edits_failed(edits)) {
        GuestVa grand = parent(edits, over);
        Side side = grand ? side_of(edits, grand, over) : LEFT;
        GuestVa uncle = grand ? child(edits, grand, other(side)) : 0;

        count(edits, &steps);
        if (!grand) {
            corrupt(edits);
        } else if (is_red(edits, uncle)) {
            paint(edits, over, FALSE);
            paint(edits, uncle, FALSE);
            paint(edits, grand, TRUE);
            node = grand;
        } else {
            if (child(edits, over, other(side)) == node) {
                rotate(edits, tree, over, side);
                over = node;
            }
            paint(edits, over, FALSE);
            paint(edits, grand, TRUE);
            rotate(edits, tree, grand, other(side));
            break;
        }
    }
    paint(edits, patch_edits_get(edits, tree->root), FALSE);
}

void
patch_rbtree_insert(PatchEdits *edits, const PatchRbTree *tree, GuestVa node, guint64 key)
{
    GuestVa place = tree->root, over = 0, at;
    guint steps = 0;

    while ((at = patch_edits_get(edits, place))) {
        count(edits, &steps);
        over = at;
        place = at + (key < patch_edits_get(edits, at + tree->key) ? LEFT : RIGHT);
    }
    patch_edits_set(edits, node, over);
    patch_edits_set(edits, node + LEFT, 0);
    patch_edits_set(edits, node + RIGHT, 0);
    patch_edits_set(edits, place, node);
    balance_inserted(edits, tree, node);
}

/* Below OVER, on SIDE, there is one black node too few on every way down. */
static void
balance_erased(PatchEdits *edits, const PatchRbTree *tree, GuestVa node, GuestVa over)
{
    guint steps = 0;

    while (over && !is_red(edits, node) && !patch_edits_failed(edits)) {
        Side side = side_of(edits, over, node);
        GuestVa sibling = child(edits, over, other(side));

        count(edits, &steps);
        if (is_red(edits, sibling)) {
            paint(edits, sibling, FALSE);
            paint(edits, over, TRUE);
            rotate(edits, tree, over, side);
            sibling = child(edits, over, other(side));
        }
        if (!sibling) {
            corrupt(edits);
        } else if (!is_red(edits, child(edits, sibling, LEFT)) && !is_red(edits, child(edits, sibling, RIGHT))) {
            paint(edits, sibling, TRUE);
            node = over;
            over = parent(edits, node);
        } else {
            if (!is_red(edits, child(edits, sibling, other(side)))) {
                paint(edits, child(edits, sibling, side), FALSE);
                paint(edits, sibling, TRUE);
                rotate(edits, tree, sibling, other(side));
                sibling = child(edits, over, other(side));
            }
            paint(edits, sibling, is_red(edits, over));
            paint(edits, over, FALSE);
            paint(edits, child(edits, sibling, other(side)), FALSE);
            rotate(edits, tree, over, side);
            return;
        }
    }
    paint(edits, node, FALSE);
}

static GuestVa
outermost(PatchEdits *edits, GuestVa node, Side side)
{
    guint steps = 0;
    GuestVa next;

    while (node && (next = child(edits, node, side))) {
        count(edits, &steps);
        node = next;
    }
    return node;
}

/* NODE has two children: the one that follows it takes its place. */
static void
erase_inner(PatchEdits *edits, const PatchRbTree *tree, GuestVa node)
{
    GuestVa next = outermost(edits, child(edits, node, RIGHT), LEFT);
    GuestVa over = parent(edits, next), below = child(edits, next, RIGHT);
    gboolean was_red = is_red(edits, next);

    hang(edits, tree, over, next, below);
    if (over == node)
        over = next;
    patch_edits_set(edits, next + RIGHT, child(edits, node, RIGHT));
    set_parent(edits, child(edits, node, RIGHT), next);
    patch_edits_set(edits, next + LEFT, child(edits, node, LEFT));
    set_parent(edits, child(edits, node, LEFT), next);
    paint(edits, next, is_red(edits, node));
    hang(edits, tree, parent(edits, node), node, next);
    if (below)
        set_parent(edits, below, over);
    if (!was_red)
        balance_erased(edits, tree, below, over);
}

void
patch_rbtree_erase(PatchEdits *edits, const PatchRbTree *tree, GuestVa node)
{
    GuestVa left = child(edits, node, LEFT), right = child(edits, node, RIGHT), over = parent(edits, node);
    GuestVa below = left ? left : right;

    if (left && right) {
        erase_inner(edits, tree, node);
        return;
    }
    hang(edits, tree, over, node, below);
    if (!is_red(edits, node))
        balance_erased(edits, tree, below, over);
}

gboolean
patch_rbtree_has(PatchEdits *edits, const PatchRbTree *tree, GuestVa node, guint64 key)
{
    GuestVa at = patch_edits_get(edits, tree->root);
    guint steps = 0;

    while (at && at != node) {
        count(edits, &steps);
        at = child(edits, at, key < patch_edits_get(edits, at + tree->key) ? LEFT : RIGHT);
    }
    return at == node && !patch_edits_failed(edits);
}

GuestVa
patch_rbtree_end(PatchEdits *edits, const PatchRbTree *tree, gboolean highest)
{
    return outermost(edits, patch_edits_get(edits, tree->root), highest ? RIGHT : LEFT);
}
