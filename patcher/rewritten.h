/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions that the kernel rewrites while it runs (jump labels and static calls), where a jump of ours takes their
 * place. The kernel has a table of each kind, and does not touch what a flag there says to belong to code that ran at
 * boot and is gone: with that flag set, a jump is safe from whatever becomes of the key; when it is cleared again, what the
 * instruction has to be by then follows from the key.
 *
 * Source: kernel/jump_label.c, kernel/static_call_inline.c, arch/x86/kernel/{jump_label,static_call}.c of Linux.
 */
#ifndef PATCHER_REWRITTEN_H
#define PATCHER_REWRITTEN_H

#include "introspect/kernel.h"
#include "patcher/plan.h"

typedef enum { PATCH_REWRITTEN_JUMP_LABEL, PATCH_REWRITTEN_STATIC_CALL } PatchRewrittenKind;

typedef struct {
    PatchRewrittenKind kind;
    GuestVa va;                 /* of the instruction */
    GuestVa entry, key, target; /* in the kernel's table; TARGET: of a jump label's jump */
    guint64 flags;              /* those of the entry, FLAG_VA's lowest bits */
    GuestVa flag_va;
} PatchRewritten;

/* All that begin in the LENGTH bytes at VA, in MODULE ("" for vmlinux): of PatchRewritten, to be unreffed. */
GArray *patch_rewritten_find(const IntroKernel *kernel, const char *module, GuestVa va, guint64 length, GError **error);

/* Whether the kernel leaves it alone. */
gboolean patch_rewritten_is_skipped(const PatchRewritten *site);

/* Puts what the instruction has to be now into BYTES, LENGTH bytes of code at VA; what is there is some form of it. */
gboolean patch_rewritten_fill(const IntroKernel *kernel, const PatchRewritten *site, GuestVa va, guint8 *bytes,
                              gsize length, GError **error);

/* Adds to PLAN that the kernel is to leave it alone, or no longer, and that nothing of it changes until then. */
gboolean patch_rewritten_plan(PatchPlan *plan, const IntroKernel *kernel, const PatchRewritten *site, gboolean skip,
                              GError **error);

#endif
