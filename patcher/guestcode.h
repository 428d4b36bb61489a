/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does running code equal old code, where the kernel has rewritten it? One question for each kind of site.
 *
 * Source of the knowledge: arch/x86/kernel/{alternative,paravirt,static_call,jump_label,ftrace}.c of Linux.
 */
#ifndef PATCHER_GUESTCODE_H
#define PATCHER_GUESTCODE_H

#include <capstone/capstone.h>

#include "introspect/kernel.h"
#include "patcher/update.h"

/* A symbol's address as running code shows it. */
typedef struct {
    guint32 symbol;             /* PatchObject.symbols[symbol] */
    GuestVa va;
} PatchBinding;

/* One function being compared. */
typedef struct PatchCompare {
    const IntroKernel *kernel;
    const PatchObject *object;
    csh decoder;                /* with details off */
    const PatchCode *code;      /* old code */
    const guint8 *live;         /* the running code, code->bytes->len bytes */
    GuestVa va;                 /* where it runs */
    GArray *bindings;           /* of PatchBinding: what was learnt; to be added to */
    gboolean (*may_be)(const struct PatchCompare *compare, const PatchBinding *binding);
                                /* whether the symbol may be there, which tells calls of different functions apart */
} PatchCompare;

/* The address FIXUP's field, which lies at AT in live bytes and runs at VA, refers to: S of the psABI's formulas. */
GuestVa patch_fixup_value(const PatchFixup *fixup, const guint8 *at, GuestVa va);

/* Bytes of the field: 4 or 8. */
gsize patch_fixup_bytes(const PatchFixup *fixup);

/* What SITE's stretch of the running code holds is something the kernel makes of it, or what was there first. */
gboolean patch_site_explains(PatchCompare *compare, const PatchSite *site);

/* A stretch of code that holds only nops. */
gboolean patch_only_nops(csh decoder, const guint8 *code, gsize length);

#endif
