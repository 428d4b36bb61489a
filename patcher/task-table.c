/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/task-table.h"

#include "introspect/vcpus.h"

struct PatchTaskTable {
    const IntroKernel *kernel;
    GPtrArray *tasks;           /* of IntroTask */
    GHashTable *places;         /* address of task -> its index in tasks, and one */
};

PatchTaskTable *
patch_task_table_new(const IntroKernel *kernel)
{
    PatchTaskTable *table = g_new0(PatchTaskTable, 1);

    table->kernel = kernel;
    table->tasks = g_ptr_array_new_with_free_func((GDestroyNotify) intro_task_free);
    table->places = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    return table;
}

void
patch_task_table_free(PatchTaskTable *table)
{
    if (!table)
        return;
    g_ptr_array_unref(table->tasks);
    g_hash_table_unref(table->places);
    g_free(table);
}

guint
patch_task_table_n(const PatchTaskTable *table)
{
    return table->tasks->len;
}

const IntroTask *
patch_task_table_at(const PatchTaskTable *table, guint index)
{
    return table->tasks->pdata[index];
}

static void
note_place(const PatchTaskTable *table, guint index)
{
    const IntroTask *task = table->tasks->pdata[index];

    g_hash_table_replace(table->places, g_memdup2(&task->task, sizeof task->task), GUINT_TO_POINTER(index + 1));
}

gboolean
patch_task_table_find(const PatchTaskTable *table, GuestVa task, guint *index)
{
    gpointer place = g_hash_table_lookup(table->places, &task);

    *index = GPOINTER_TO_UINT(place) - 1;
    return place != NULL;
}

gboolean
patch_task_table_list(PatchTaskTable *table, gboolean briefly, GError **error)
{
    GPtrArray *tasks = briefly ? intro_tasks_briefly(table->kernel, error) : intro_tasks(table->kernel, error);

    if (!tasks)
        return FALSE;
    g_ptr_array_unref(table->tasks);
    table->tasks = tasks;
    g_hash_table_remove_all(table->places);
    for (guint i = 0; i < tasks->len; i++)
        note_place(table, i);
    return TRUE;
}

gboolean
patch_task_table_read_again(PatchTaskTable *table, guint index)
{
    IntroTask *task = table->tasks->pdata[index];
    g_autoptr(IntroTask) now = intro_task_read_briefly(table->kernel, task->task, NULL);

    if (!now || now->pid != task->pid || now->stack != task->stack)
        return FALSE;
    g_free(now->name);
    now->name = g_steal_pointer(&task->name);
    intro_task_free(task);
    table->tasks->pdata[index] = g_steal_pointer(&now);
    return TRUE;
}

gboolean
patch_task_table_add(PatchTaskTable *table, GuestVa task, guint *index, GError **error)
{
    IntroTask *new = intro_task_read_briefly(table->kernel, task, error);

    if (!new)
        return FALSE;
    *index = table->tasks->len;
    g_ptr_array_add(table->tasks, new);
    note_place(table, *index);
    return TRUE;
}

static gboolean
is_on_stack(const IntroTask *task, GuestVa sp)
{
    return task->stack && sp >= task->stack && sp - task->stack < task->stack_bytes;
}

static const IntroTask *
task_of_stack(const GPtrArray *tasks, GuestVa sp)
{
    for (guint i = 0; i < tasks->len; i++)
        if (is_on_stack(tasks->pdata[i], sp))
            return tasks->pdata[i];
    return NULL;
}

static const IntroTask *
current_task(const PatchTaskTable *table, const VmmVcpu *vcpu)
{
    GuestVa current;
    guint cpu, index;

    if (!intro_vcpu_number(table->kernel, vcpu, &cpu, NULL) ||
        !intro_cpu_current_task(table->kernel, cpu, &current, NULL) || !patch_task_table_find(table, current, &index))
        return NULL;
    return table->tasks->pdata[index];
}

const IntroTask *
patch_task_table_of_vcpu(const PatchTaskTable *table, const VmmVcpu *vcpu)
{
    const IntroTask *current, *owner;

    if (!intro_vcpu_is_own(table->kernel, vcpu))
        return NULL;
    current = current_task(table, vcpu);
    if (vmm_vcpu_in_user_mode(vcpu) || (current && is_on_stack(current, vcpu->gpr[VMM_RSP])))
        return current;
    owner = task_of_stack(table->tasks, vcpu->gpr[VMM_RSP]);
    return owner ? owner : current;
}
