/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/safety.h"

#include "introspect/run-queues.h"
#include "introspect/sleeping.h"
#include "introspect/task-watch.h"
#include "introspect/vcpus.h"

/* From so many sleeping tasks on, a stop to find out which ones they are is shorter than looking at each in the pause. */
#define MANY_ASLEEP 1000

/* What the last look at a sleeping task saw; it holds for as long as the task has not run. */
typedef struct {
    gint32 pid;
    guint64 switches;
    GuestVa sp;
    guint round;                /* of the look that last found the task there */
    GPtrArray *blockers;        /* of PatchBlocker */
} Look;

struct PatchSurvey {
    const IntroKernel *kernel;
    const GPtrArray *forbidden;
    GPtrArray *tasks;           /* of IntroTask, as the last look found them */
    GHashTable *places;         /* address of task -> its index in tasks, and one */
    GArray *restless;           /* of guint: index of those that were not asleep in the last look at the running guest */
    GArray *standing;           /* of guint: of those that were, and are in the way */
    IntroRunQueues *queues;     /* NULL before the first look at the running guest */
    IntroTaskWatch *watch;      /* of those that were asleep in the last look at the running guest */
    GHashTable *looks;          /* address of task -> Look */
    GPtrArray *blockers;        /* of PatchBlocker, all of this round */
    GArray *hidden;             /* of PatchForbidden: where return addresses are replaced by a tracer's */
    guint round, n_looked_at;
};

static void
blocker_free(PatchBlocker *blocker)
{
    g_free(blocker->name);
    g_free(blocker->where);
    g_free(blocker->why);
    g_free(blocker);
}

static PatchBlocker *
blocker_copy(const PatchBlocker *blocker)
{
    PatchBlocker *copy = g_memdup2(blocker, sizeof *blocker);

    copy->name = g_strdup(blocker->name);
    copy->where = g_strdup(blocker->where);
    copy->why = g_strdup(blocker->why);
    return copy;
}

static GPtrArray *
new_blockers(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify) blocker_free);
}

static void
look_free(Look *look)
{
    g_clear_pointer(&look->blockers, g_ptr_array_unref);
    g_free(look);
}

/* A function that is being traced at its return has its caller's address replaced by one of these on the stack. */
static GArray *
find_hiding_places(const IntroKernel *kernel)
{
    static const char *const names[] = {
        "return_to_handler", "arch_rethook_trampoline", "__kretprobe_trampoline", "kretprobe_trampoline",
    };
    GArray *found = g_array_new(FALSE, FALSE, sizeof(PatchForbidden));

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        GuestVa va;

        if (intro_symbols_address(intro_kernel_symbols(kernel), names[i], &va, NULL)) {
            const IntroSymbol *symbol = intro_symbols_at(intro_kernel_symbols(kernel), va, NULL);
            PatchForbidden place = { (char *) "a call that is being traced", va, symbol->size, 0 };

            g_array_append_val(found, place);
        }
    }
    return found;
}

PatchSurvey *
patch_survey_new(const IntroKernel *kernel, const GPtrArray *forbidden)
{
    PatchSurvey *survey = g_new0(PatchSurvey, 1);

    survey->kernel = kernel;
    survey->forbidden = forbidden;
    survey->looks = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, (GDestroyNotify) look_free);
    survey->places = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    survey->restless = g_array_new(FALSE, FALSE, sizeof(guint));
    survey->standing = g_array_new(FALSE, FALSE, sizeof(guint));
    survey->blockers = new_blockers();
    survey->hidden = find_hiding_places(kernel);
    return survey;
}

void
patch_survey_free(PatchSurvey *survey)
{
    if (!survey)
        return;
    g_clear_pointer(&survey->tasks, g_ptr_array_unref);
    intro_task_watch_free(survey->watch);
    intro_run_queues_free(survey->queues);
    g_hash_table_unref(survey->looks);
    g_hash_table_unref(survey->places);
    g_array_unref(survey->restless);
    g_array_unref(survey->standing);
    g_ptr_array_unref(survey->blockers);
    g_array_unref(survey->hidden);
    g_free(survey);
}

/* A return address belongs to the call before it, which may be a function's last instruction. */
static gboolean
is_inside(const PatchForbidden *forbidden, const IntroFrame *frame)
{
    GuestVa pc = frame->is_return ? frame->pc - 1 : frame->pc;

    if (frame->pc >= forbidden->va && frame->pc <= forbidden->open_until)
        return FALSE;
    return pc >= forbidden->va && pc - forbidden->va < forbidden->length;
}

static const PatchForbidden *
find_forbidden(const PatchSurvey *survey, const IntroFrame *frame)
{
    for (guint i = 0; i < survey->forbidden->len; i++)
        if (is_inside(survey->forbidden->pdata[i], frame))
            return survey->forbidden->pdata[i];
    for (guint i = 0; i < survey->hidden->len; i++)
        if (is_inside(&g_array_index(survey->hidden, PatchForbidden, i), frame))
            return &g_array_index(survey->hidden, PatchForbidden, i);
    return NULL;
}

static void
judge(const PatchSurvey *survey, const IntroStack *stack, gint32 pid, const char *name, GPtrArray *blockers)
{
    for (guint i = 0; i < stack->frames->len; i++) {
        const IntroFrame *frame = &g_array_index(stack->frames, IntroFrame, i);
        const PatchForbidden *forbidden = find_forbidden(survey, frame);
        PatchBlocker *blocker;

        if (!forbidden)
            continue;
        blocker = g_new0(PatchBlocker, 1);
        *blocker = (PatchBlocker) {
            .pid = pid, .name = g_strdup(name), .why = g_strdup(forbidden->name), .certain = frame->certain,
            .where = intro_kernel_describe(survey->kernel, frame->pc, frame->is_return),
        };
        g_ptr_array_add(blockers, blocker);
        return;
    }
}

static gboolean
is_unchanged(const Look *look, const IntroTask *task)
{
    return look && !task->on_cpu && look->pid == task->pid && look->switches == task->switches && look->sp == task->sp;
}

/* The stack of a task that does not run: while the guest does, NULL without an error if the task woke up meanwhile. */
static gboolean
unwind(const PatchSurvey *survey, const IntroTask *task, gboolean is_paused, IntroStack **stack, GError **error)
{
    if (!is_paused)
        return intro_stack_while_asleep(survey->kernel, task, stack, error);
    *stack = intro_stack_of_task(survey->kernel, task, error);
    return *stack != NULL;
}

static Look *
new_look(const PatchSurvey *survey, const IntroTask *task, const IntroStack *stack)
{
    Look *look = g_new0(Look, 1);

    *look = (Look) { .pid = task->pid, .switches = task->switches, .sp = task->sp, .blockers = new_blockers() };
    judge(survey, stack, task->pid, task->name, look->blockers);
    return look;
}

static void
add_blockers(const PatchSurvey *survey, const Look *look)
{
    for (guint i = 0; i < look->blockers->len; i++)
        g_ptr_array_add(survey->blockers, blocker_copy(look->blockers->pdata[i]));
}

static gboolean
visit(PatchSurvey *survey, const IntroTask *task, gboolean is_paused, GError **error)
{
    Look *look = g_hash_table_lookup(survey->looks, &task->task);
    g_autoptr(IntroStack) stack = NULL;

    if (task->stack == 0)
        return TRUE;
    if (!is_unchanged(look, task)) {
        if (!unwind(survey, task, is_paused, &stack, error)) {
            g_prefix_error(error, "stack of task %d (%s): ", task->pid, task->name);
            return FALSE;
        }
        if (!stack)
            return TRUE;
        survey->n_looked_at++;
        look = new_look(survey, task, stack);
        g_hash_table_replace(survey->looks, g_memdup2(&task->task, sizeof task->task), look);
    }
    look->round = survey->round;
    add_blockers(survey, look);
    return TRUE;
}

static void
note_place(const PatchSurvey *survey, guint index)
{
    const IntroTask *task = survey->tasks->pdata[index];

    g_hash_table_replace(survey->places, g_memdup2(&task->task, sizeof task->task), GUINT_TO_POINTER(index + 1));
}

static gboolean
find_place(const PatchSurvey *survey, GuestVa va, guint *index)
{
    gpointer place = g_hash_table_lookup(survey->places, &va);

    *index = GPOINTER_TO_UINT(place) - 1;
    return place != NULL;
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
current_task(const PatchSurvey *survey, const VmmVcpu *vcpu)
{
    GuestVa current;
    guint cpu, index;

    if (!intro_vcpu_number(survey->kernel, vcpu, &cpu, NULL) ||
        !intro_cpu_current_task(survey->kernel, cpu, &current, NULL) || !find_place(survey, current, &index))
        return NULL;
    return survey->tasks->pdata[index];
}

/*
 * The task whose stack a vCPU's registers stand for: the one whose stack it is on; or, in user mode and on the stacks
 * of interrupts, the current one. A task being switched away from is neither, and its saved stack pointer is good.
 */
static const IntroTask *
task_of_vcpu(const PatchSurvey *survey, const VmmVcpu *vcpu)
{
    const IntroTask *current = current_task(survey, vcpu), *owner;

    if (vmm_vcpu_in_user_mode(vcpu) || (current && is_on_stack(current, vcpu->gpr[VMM_RSP])))
        return current;
    owner = task_of_stack(survey->tasks, vcpu->gpr[VMM_RSP]);
    return owner ? owner : current;
}

static gboolean
visit_vcpus(PatchSurvey *survey, const VmmVcpu *vcpus, guint n_vcpus, GHashTable *covered, GError **error)
{
    for (guint i = 0; i < n_vcpus; i++) {
        const IntroTask *task = task_of_vcpu(survey, &vcpus[i]);
        g_autoptr(IntroStack) stack = intro_stack_of_vcpu(survey->kernel, &vcpus[i], error);

        if (!stack) {
            g_prefix_error(error, "stack of vCPU %u: ", vcpus[i].index);
            return FALSE;
        }
        survey->n_looked_at++;
        judge(survey, stack, task ? task->pid : -1, task ? task->name : "?", survey->blockers);
        if (task)
            g_hash_table_add(covered, (gpointer) task);
    }
    return TRUE;
}

static gboolean
is_stale(gpointer key, gpointer value, gpointer survey)
{
    return ((const Look *) value)->round != ((const PatchSurvey *) survey)->round;
}

static gboolean
look_at_all(PatchSurvey *survey, GHashTable *covered, gboolean is_paused, GError **error)
{
    for (guint i = 0; i < survey->tasks->len; i++)
        if (!(covered && g_hash_table_contains(covered, survey->tasks->pdata[i])) &&
            !visit(survey, survey->tasks->pdata[i], is_paused, error))
            return FALSE;
    return TRUE;
}

static gboolean
list_tasks(PatchSurvey *survey, GPtrArray *(*list)(const IntroKernel *, GError **), GError **error)
{
    g_clear_pointer(&survey->tasks, g_ptr_array_unref);
    g_hash_table_remove_all(survey->places);
    survey->tasks = list(survey->kernel, error);
    for (guint i = 0; survey->tasks && i < survey->tasks->len; i++)
        note_place(survey, i);
    return survey->tasks != NULL;
}

static gboolean
find_queues(PatchSurvey *survey, GError **error)
{
    if (!survey->queues)
        survey->queues = intro_run_queues_new(survey->kernel, error);
    return survey->queues != NULL;
}

/* What the look at a task in the running guest was worth. */
static gboolean
watch_task(PatchSurvey *survey, guint index, GError **error)
{
    const IntroTask *task = survey->tasks->pdata[index];
    const Look *look = g_hash_table_lookup(survey->looks, &task->task);

    if (!is_unchanged(look, task)) {
        g_array_append_val(survey->restless, index);
        return intro_task_watch_add_restless(survey->watch, task, error);
    }
    if (look->blockers->len > 0)
        g_array_append_val(survey->standing, index);
    return intro_task_watch_add(survey->watch, task, error);
}

static void
stop_watching(PatchSurvey *survey)
{
    g_array_set_size(survey->restless, 0);
    g_array_set_size(survey->standing, 0);
    g_clear_pointer(&survey->watch, intro_task_watch_free);
}

/* The watch begins before the list is made: what comes in between counts as new. */
static gboolean
look_while_running(PatchSurvey *survey, GError **error)
{
    stop_watching(survey);
    survey->watch = intro_task_watch_new(survey->kernel, error);
    if (!survey->watch || !find_queues(survey, error) || !list_tasks(survey, intro_tasks, error) ||
        !look_at_all(survey, NULL, FALSE, error))
        return FALSE;
    for (guint i = 0; i < survey->tasks->len; i++)
        if (!watch_task(survey, i, error))
            return FALSE;
    g_hash_table_foreach_remove(survey->looks, is_stale, survey);
    return TRUE;
}

/* A task keeps its name. FALSE if it is not what it was: it has ended. */
static gboolean
read_again(PatchSurvey *survey, guint index)
{
    IntroTask *task = survey->tasks->pdata[index];
    g_autoptr(IntroTask) now = intro_task_read_briefly(survey->kernel, task->task, NULL);

    if (!now || now->pid != task->pid || now->stack != task->stack)
        return FALSE;
    g_free(now->name);
    now->name = g_steal_pointer(&task->name);
    intro_task_free(task);
    survey->tasks->pdata[index] = g_steal_pointer(&now);
    return TRUE;
}

static gboolean
read_all_again(PatchSurvey *survey, const GArray *indices)
{
    for (guint i = 0; i < indices->len; i++)
        if (!read_again(survey, g_array_index(indices, guint, i)))
            return FALSE;
    return TRUE;
}

/* The tasks that have to be looked at again, by their indices; *KNOWN is FALSE if that cannot be told. */
static gboolean
find_changed(PatchSurvey *survey, const VmmVcpu *vcpus, guint n_vcpus, GArray *changed, gboolean *known, GError **error)
{
    g_autoptr(GArray) ran = g_array_new(FALSE, FALSE, sizeof(GuestVa));
    gboolean may_be_more = TRUE;

    if (survey->watch && !intro_task_watch_look(survey->watch, vcpus, n_vcpus, ran, &may_be_more, error))
        return FALSE;
    *known = !may_be_more;
    g_array_append_vals(changed, survey->restless->data, survey->restless->len);
    for (guint i = 0; i < ran->len; i++) {
        guint index;

        if (find_place(survey, g_array_index(ran, GuestVa, i), &index))
            g_array_append_val(changed, index);
        else
            *known = FALSE;
    }
    return TRUE;
}

/* A task that is about to end, and in no list of tasks any more, may wait for a CPU to go through the rest. */
static gboolean
add_unlisted(PatchSurvey *survey, GArray *changed, GError **error)
{
    g_autoptr(GArray) runnable = g_array_new(FALSE, FALSE, sizeof(GuestVa));

    if (!find_queues(survey, error) || !intro_run_queues_read(survey->queues, runnable, error))
        return FALSE;
    for (guint i = 0; i < runnable->len; i++) {
        GuestVa va = g_array_index(runnable, GuestVa, i);
        guint index;
        IntroTask *task;

        if (find_place(survey, va, &index))
            continue;
        task = intro_task_read_briefly(survey->kernel, va, error);
        if (!task)
            return FALSE;
        index = survey->tasks->len;
        g_ptr_array_add(survey->tasks, task);
        note_place(survey, index);
        g_array_append_val(changed, index);
    }
    return TRUE;
}

static gboolean
contains(const GArray *indices, guint index)
{
    for (guint i = 0; i < indices->len; i++)
        if (g_array_index(indices, guint, i) == index)
            return TRUE;
    return FALSE;
}

/* Of those that are not among them, it stands what was seen before. */
static gboolean
look_at_changed(PatchSurvey *survey, const GArray *changed, GHashTable *covered, GError **error)
{
    for (guint i = 0; i < changed->len; i++) {
        const IntroTask *task = survey->tasks->pdata[g_array_index(changed, guint, i)];

        if (!g_hash_table_contains(covered, task) && !visit(survey, task, TRUE, error))
            return FALSE;
    }
    for (guint i = 0; i < survey->standing->len; i++) {
        guint index = g_array_index(survey->standing, guint, i);
        const IntroTask *task = survey->tasks->pdata[index];

        if (!contains(changed, index) && !g_hash_table_contains(covered, task))
            add_blockers(survey, g_hash_table_lookup(survey->looks, &task->task));
    }
    return TRUE;
}

/* Where it cannot be told which tasks have run, all are listed and looked at anew. */
static gboolean
look_while_paused(PatchSurvey *survey, const VmmVcpu *vcpus, guint n_vcpus, GError **error)
{
    g_autoptr(GHashTable) covered = g_hash_table_new(NULL, NULL);
    g_autoptr(GArray) changed = g_array_new(FALSE, FALSE, sizeof(guint));
    gboolean known;

    if (!find_changed(survey, vcpus, n_vcpus, changed, &known, error))
        return FALSE;
    known = known && read_all_again(survey, changed);
    if (!known)
        stop_watching(survey);
    if ((!known && !list_tasks(survey, intro_tasks_briefly, error)) || !add_unlisted(survey, changed, error) ||
        !visit_vcpus(survey, vcpus, n_vcpus, covered, error))
        return FALSE;
    return known ? look_at_changed(survey, changed, covered, error) : look_at_all(survey, covered, TRUE, error);
}

gboolean
patch_survey_is_large(const PatchSurvey *survey)
{
    return survey->watch && intro_task_watch_n_asleep(survey->watch) >= MANY_ASLEEP;
}

gboolean
patch_survey_narrow(PatchSurvey *survey, GError **error)
{
    return intro_task_watch_narrow(survey->watch, error);
}

gboolean
patch_survey_begin(PatchSurvey *survey, const VmmVcpu *vcpus, guint n_vcpus, GError **error)
{
    return intro_task_watch_begin(survey->watch, vcpus, n_vcpus, error);
}

gboolean
patch_survey_confirm(PatchSurvey *survey, GError **error)
{
    return intro_task_watch_confirm(survey->watch, error);
}

void
patch_survey_rehearse(const PatchSurvey *survey)
{
    g_autoptr(GArray) tasks = g_array_new(FALSE, FALSE, sizeof(GuestVa));
    gboolean may_be_more;

    if (!survey->watch || !intro_task_watch_look(survey->watch, NULL, 0, tasks, &may_be_more, NULL) ||
        !intro_run_queues_read(survey->queues, tasks, NULL))
        return;
    for (guint cpu = 0; cpu < intro_kernel_n_cpus(survey->kernel); cpu++) {
        GuestVa task;

        if (intro_cpu_current_task(survey->kernel, cpu, &task, NULL))
            g_array_append_val(tasks, task);
    }
    for (guint i = 0; i < tasks->len; i++) {
        g_autoptr(IntroTask) task = intro_task_read_briefly(survey->kernel, g_array_index(tasks, GuestVa, i), NULL);
        g_autoptr(IntroStack) stack = task ? intro_stack_of_task(survey->kernel, task, NULL) : NULL;
    }
}

gboolean
patch_survey_look(PatchSurvey *survey, const VmmVcpu *vcpus, guint n_vcpus, GError **error)
{
    survey->round++;
    survey->n_looked_at = 0;
    g_ptr_array_set_size(survey->blockers, 0);
    if (survey->forbidden->len == 0)
        return TRUE;
    return vcpus ? look_while_paused(survey, vcpus, n_vcpus, error) : look_while_running(survey, error);
}

GPtrArray *
patch_survey_blockers(const PatchSurvey *survey)
{
    return survey->blockers;
}

guint
patch_survey_n_looked_at(const PatchSurvey *survey)
{
    return survey->n_looked_at;
}
