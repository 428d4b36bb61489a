/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of an update that goes to vmlinux or to one module, on its way into the guest: matched, placed, linked, and
 * made into a block with its record.
 */
#ifndef PATCHER_ASSEMBLY_H
#define PATCHER_ASSEMBLY_H

#include "patcher/arena.h"
#include "patcher/known.h"
#include "patcher/link.h"
#include "patcher/match.h"
#include "patcher/plan.h"
#include "patcher/update.h"

typedef struct {
    const PatchObject *object;
    PatchResolved *resolved;
    PatchHome *homes;           /* of each piece */
    guint64 *offsets;           /* of each piece, from the start of its area */
    GuestVa *vas;               /* of each piece */
} PatchPart;

typedef struct {
    const IntroKernel *kernel;  /* both borrowed */
    const PatchArena *arena;
    GPtrArray *parts;           /* of PatchPart: one for each object */
    PatchRecord *record;
    guint64 text_end, data_end; /* bytes from the start of the block, of the data area */
    guint64 pieces_end, kept_bytes; /* the same of the pieces that stay, and of the pages that they are in; 0 if there are
                                       none */
    gboolean is_private;        /* set by who wants it: the kernel is not to know the code */
    gboolean is_known;          /* whether the kernel is to know the code; then KNOWN says how, and */
    PatchKnown known;
    PatchKnownTables tables;
    guint64 code_bytes, module; /* how much of the block is code and constants; the struct module, from the data's start */
} PatchAssembly;

/* Takes RECORD over, of which everything is filled in that does not depend on addresses; or all, if it lies in the guest
 * already, and is not to be placed any more. */
PatchAssembly *patch_assembly_new(const IntroKernel *kernel, const PatchArena *arena, PatchRecord *record);
void patch_assembly_free(PatchAssembly *assembly);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchAssembly, patch_assembly_free)

/* Matches OBJECT, which is borrowed, and adds it. */
gboolean patch_assembly_add(PatchAssembly *assembly, const PatchObject *object, GError **error);

/* When all objects are there: takes room for them from ARENA, and fills in the rest of the record. */
gboolean patch_assembly_place(PatchAssembly *assembly, PatchArena *arena, GError **error);

/* Adds to PLAN the writes of the block, in state preparing, and the data area. */
gboolean patch_assembly_plan(const PatchAssembly *assembly, PatchPlan *plan, GError **error);

/* The part of that which is a condition of the change itself: that data hold what is expected of them. */
gboolean patch_assembly_require_data(const PatchAssembly *assembly, PatchPlan *plan, GError **error);

/* Has PLAN tell of each function to be replaced that the guest's kernel does not use. */
void patch_assembly_note_overridden(const PatchAssembly *assembly, PatchPlan *plan);

/* Forbids the old code that is replaced. */
void patch_assembly_forbid(const PatchAssembly *assembly, PatchPlan *plan);

#endif
