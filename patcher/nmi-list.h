/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's list of what it calls when a CPU has taken an NMI, and how an entry of ours gets into it and out of it
 * from outside. The list is walked in NMIs, without a lock, so an entry that was taken out stays as it is for as long as
 * somebody may be on it.
 * Source: arch/x86/kernel/nmi.c, arch/x86/include/asm/nmi.h of Linux.
 */
#ifndef PATCHER_NMI_LIST_H
#define PATCHER_NMI_LIST_H

#include "introspect/kernel.h"
#include "patcher/plan.h"
#include "patcher/record.h"

typedef struct {
    GuestVa head;               /* a struct list_head: next, previous */
    GuestVa lock;               /* 32 bits, zero while nobody changes the list */
    GuestVa first, last;        /* of it, at the moment: HEAD if it is empty */
} PatchNmiList;

/* PATCH_ERROR_DOES_NOT_FIT: the guest's kernel has none that is known. */
gboolean patch_nmi_list_read(const IntroKernel *kernel, PatchNmiList *list, GError **error);

/* Adds to PLAN what puts the entry LINK, whose own pointers are written already, behind LIST's last. */
gboolean patch_nmi_list_plan_link(PatchPlan *plan, const IntroKernel *kernel, const PatchNmiList *list, GuestVa link,
                                  GError **error);

/* Adds to PLAN what takes out whatever entry lies in AREA, if there is one. */
gboolean patch_nmi_list_plan_unlink(PatchPlan *plan, const IntroKernel *kernel, const PatchArea *area, GError **error);

#endif
