/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/on-cpus.h"

#include "introspect/vcpus.h"

/* UNKNOWN gets what is wrong with those that are in the kernel, nobody knows on which CPU; N_UNKNOWN, how many there are. */
static gboolean
visit_vcpus(const PatchOnCpus *look, const VmmVcpu *vcpus, guint n_vcpus, GHashTable *covered, guint *n_unknown, GError **unknown,
            GError **error)
{
    for (guint i = 0; i < n_vcpus; i++) {
        const IntroTask *task = patch_task_table_of_vcpu(look->tasks, &vcpus[i]);
        g_autoptr(GError) failure = NULL;
        g_autoptr(IntroStack) stack = intro_stack_of_vcpu(look->kernel, &vcpus[i], &failure);

        if (!stack) {
            GError **where = g_error_matches(failure, INTRO_ERROR, INTRO_ERROR_NOT_FOUND) ? unknown : error;

            g_prefix_error(&failure, "stack of vCPU %u: ", vcpus[i].index);
            if (where == error || (*n_unknown)++ == 0)
                g_propagate_error(where, g_steal_pointer(&failure));
            if (where == error)
                return FALSE;
            continue;
        }
        (*look->n_looked_at)++;
        patch_judge_stack(look->judge, stack, task ? task->pid : -1, task ? task->name : "?", look->blockers);
        if (task)
            g_hash_table_add(covered, (gpointer) task);
    }
    return TRUE;
}

/* The current task of CPU, if there is one in the list that no vCPU's registers stand for: they are those of firmware, or of a guest
 * that the task executes (RUNS_GUEST). */
static gboolean
find_hidden(const PatchOnCpus *look, guint cpu, GHashTable *covered, const IntroTask **hidden, gboolean *runs_guest, GError **error)
{
    g_autoptr(GError) failure = NULL;
    GuestVa current;
    guint index;

    *hidden = NULL;
    *runs_guest = FALSE;
    if (!intro_cpu_current_task(look->kernel, cpu, &current, &failure)) {
        if (g_error_matches(failure, INTRO_ERROR, INTRO_ERROR_NOT_FOUND))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    if (!patch_task_table_find(look->tasks, current, &index))
        return TRUE;
    if (!intro_task_runs_guest(look->kernel, current, runs_guest, error))
        return FALSE;
    if (*runs_guest || !g_hash_table_contains(covered, patch_task_table_at(look->tasks, index)))
        *hidden = patch_task_table_at(look->tasks, index);
    return TRUE;
}

/* Nobody can tell where they are, so that all that ever was on their stacks counts. An idle task executes no guest; one is also the
 * current task of a CPU that was never started. N_GUESTS is how many execute guests. */
static gboolean
visit_hidden(const PatchOnCpus *look, GHashTable *covered, guint *n_guests, GError **error)
{
    *n_guests = 0;
    for (guint cpu = 0; cpu < intro_kernel_n_cpus(look->kernel); cpu++) {
        g_autoptr(IntroStack) stack = NULL;
        const IntroTask *task;
        gboolean runs_guest;

        if (!find_hidden(look, cpu, covered, &task, &runs_guest, error))
            return FALSE;
        if (!task || task->is_idle)
            continue;
        *n_guests += runs_guest;
        stack = intro_stack_scan_task(look->kernel, task, error);
        if (!stack)
            return FALSE;
        (*look->n_looked_at)++;
        patch_judge_stack(look->judge, stack, task->pid, task->name, look->blockers);
        g_hash_table_add(covered, (gpointer) task);
    }
    return TRUE;
}

/* Right after a guest of the guest's has stopped, the kernel has the guest's GS for a while; no other vCPU may be unknown. */
gboolean
patch_on_cpus_look(const PatchOnCpus *look, const VmmVcpu *vcpus, guint n_vcpus, GHashTable *covered, GError **error)
{
    g_autoptr(GError) unknown = NULL;
    guint n_unknown = 0, n_guests;

    if (!visit_vcpus(look, vcpus, n_vcpus, covered, &n_unknown, &unknown, error) ||
        !visit_hidden(look, covered, &n_guests, error))
        return FALSE;
    if (n_unknown <= n_guests)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&unknown));
    return FALSE;
}
