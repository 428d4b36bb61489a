/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/company.h"

#include "introspect/probes.h"
#include "patcher/error.h"

struct PatchCompany {
    const IntroKernel *kernel;
    GArray *kprobes;            /* of GuestVa */
    GArray *livepatched;        /* of IntroLivepatched */
    GuestVa table_va;           /* of the kernel's table of kprobes */
    GBytes *table;              /* NULL if there is none */
};

PatchCompany *
patch_company_new(const IntroKernel *kernel, GError **error)
{
    g_autoptr(PatchCompany) company = g_new0(PatchCompany, 1);
    GError *cause = NULL;

    company->kernel = kernel;
    company->table = intro_kprobes_table(kernel, &company->table_va, &cause);
    if (cause) {
        g_propagate_error(error, cause);
        return NULL;
    }
    company->kprobes = intro_kprobes(kernel, error);
    company->livepatched = company->kprobes ? intro_livepatched(kernel, error) : NULL;
    return company->livepatched ? g_steal_pointer(&company) : NULL;
}

void
patch_company_free(PatchCompany *company)
{
    if (!company)
        return;
    g_clear_pointer(&company->kprobes, g_array_unref);
    g_clear_pointer(&company->livepatched, g_array_unref);
    g_clear_pointer(&company->table, g_bytes_unref);
    g_free(company);
}

static gboolean
check_kprobes(const PatchCompany *company, const char *name, GuestVa va, guint64 length, GError **error)
{
    for (guint i = 0; i < company->kprobes->len; i++) {
        GuestVa kprobe = g_array_index(company->kprobes, GuestVa, i);
        g_autofree char *where = NULL;

        if (kprobe < va || kprobe - va >= length)
            continue;
        where = intro_symbols_describe(intro_kernel_symbols(company->kernel), kprobe, FALSE);
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "somebody in the guest has set a kprobe at %s, inside %s; it can be changed when the kprobe is gone "
                    "(/sys/kernel/debug/kprobes/list shows it)", where, name);
        return FALSE;
    }
    return TRUE;
}

static gboolean
check_livepatches(const PatchCompany *company, const PatchJump *jump, GError **error)
{
    for (guint i = 0; i < company->livepatched->len; i++) {
        const IntroLivepatched *livepatched = &g_array_index(company->livepatched, IntroLivepatched, i);

        if (livepatched->function != jump->va)
            continue;
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "%s is replaced by the guest's own livepatch %s, and what is put below that would never run; "
                    "disable it first (/sys/kernel/livepatch/%s/enabled)", jump->name, livepatched->patch,
                    livepatched->patch);
        return FALSE;
    }
    return TRUE;
}

/* At its ftrace site, which lies before the jump, a kprobe may be. */
gboolean
patch_company_check_function(const PatchCompany *company, const PatchJump *jump, GError **error)
{
    return check_kprobes(company, jump->name, jump->jump_va, jump->va + jump->size - jump->jump_va, error) &&
           check_livepatches(company, jump, error);
}

gboolean
patch_company_check_place(const PatchCompany *company, const char *name, GuestVa va, guint64 length, GError **error)
{
    return check_kprobes(company, name, va, length, error);
}

/* One that is being set holds this mutex from before it looks at the code until it has changed it. */
gboolean
patch_company_require(const PatchCompany *company, PatchPlan *plan, GError **error)
{
    if (!company->table)
        return TRUE;
    patch_plan_require(plan, company->table_va, company->table, PATCH_ERROR_PASSING,
                       g_strdup("a kprobe came or went in this moment"));
    return patch_plan_require_unlocked(plan, company->kernel, "kprobe_mutex", error);
}
