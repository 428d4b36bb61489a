/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where an address that an instruction makes can get to, within one function: whether it can leave it, in memory, as its result, or
 * with a call of a function that might keep it. What is not known to end well counts as leaving.
 */
#ifndef PATCHER_REGISTER_FLOW_H
#define PATCHER_REGISTER_FLOW_H

#include "patcher/update.h"

typedef struct PatchFlow PatchFlow;

typedef enum {
    PATCH_LEAVES_ADDRESS = 1,   /* the address itself */
    PATCH_LEAVES_CONTENT = 2,   /* what was loaded from there, or from where that leads */
    PATCH_LEAVES_BY_CALL = 4,   /* the address itself, but only as an argument */
} PatchLeaves;

#define PATCH_LEAVES_ANYHOW (PATCH_LEAVES_ADDRESS | PATCH_LEAVES_BY_CALL)

/* Decodes piece INDEX of OBJECT (borrowed), which is text. NULL if it cannot be: then everything leaves it. */
PatchFlow *patch_flow_new(const PatchObject *object, guint32 index);
void patch_flow_free(PatchFlow *flow);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchFlow, patch_flow_free)

/* What of the address that FIXUP of the piece is about leaves the function: of PatchLeaves. IS_FUNCTION: it is that of a function,
 * which may be called by who is called for as long as that takes. */
guint patch_flow_follow(PatchFlow *flow, const PatchFixup *fixup, gboolean is_function);

#endif
