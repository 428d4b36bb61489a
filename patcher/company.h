/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Others who watch or replace functions of the guest's kernel. At a function's ftrace site they and our jump, which is
 * behind it, get along: the function tracers, kprobes and kretprobes of whole functions, BPF's fentry and fexit. A kprobe
 * inside a function would never be hit again, or would break the jump; and the kernel's own livepatch takes the function
 * before our jump is reached. These are refused by their names.
 */
#ifndef PATCHER_COMPANY_H
#define PATCHER_COMPANY_H

#include "introspect/kernel.h"
#include "patcher/plan.h"

typedef struct PatchCompany PatchCompany;

/* Who is there now. KERNEL is borrowed. */
PatchCompany *patch_company_new(const IntroKernel *kernel, GError **error);
void patch_company_free(PatchCompany *company);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchCompany, patch_company_free)

/* PATCH_ERROR_DOES_NOT_FIT if somebody stands in the way of replacing JUMP's function. */
gboolean patch_company_check_function(const PatchCompany *company, const PatchJump *jump, GError **error);

/* The same for changing LENGTH bytes at VA, a jump's place in function NAME. */
gboolean patch_company_check_place(const PatchCompany *company, const char *name, GuestVa va, guint64 length,
                                   GError **error);

/* Makes it a condition of PLAN that no kprobe comes or goes until then, or is about to. */
gboolean patch_company_require(const PatchCompany *company, PatchPlan *plan, GError **error);

#endif
