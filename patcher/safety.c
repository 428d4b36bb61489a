/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/safety.h"

#include "introspect/run-queues.h"
#include "introspect/sleeping.h"
#include "introspect/task-watch.h"
#include "introspect/vcpus.h"
#include "patcher/on-cpus.h"
#include "patcher/pending.h"
#include "patcher/task-table.h"

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
    gboolean forbids_nothing;
    PatchJudge *judge;
    const PatchPlan *plan;
    IntroCallbacks *callbacks;  /* NULL if there is none of those */
    PatchTaskTable *tasks;      /* as the last look found them */
    GArray *restless;           /* of guint: index of those that were not asleep in the last look at the running guest */
    GArray *standing;           /* of guint: of those that were, and are in the way */
    IntroRunQueues *queues;     /* NULL before the first look at the running guest */
    IntroTaskWatch *watch;      /* of those that were asleep in the last look at the running guest */
    GHashTable *looks;          /* address of task -> Look */
    GPtrArray *blockers;        /* of PatchBlocker, all of this round */
    guint round, n_looked_at;
};

static void
look_free(Look *look)
{
    g_clear_pointer(&look->blockers, g_ptr_array_unref);
    g_free(look);
}

PatchSurvey *
patch_survey_new(const IntroKernel *kernel, const PatchPlan *plan)
{
    PatchSurvey *survey = g_new0(PatchSurvey, 1);

    survey->kernel = kernel;
    survey->forbids_nothing = plan->forbidden->len == 0;
    survey->judge = patch_judge_new(kernel, plan->forbidden);
    survey->plan = plan;
    survey->callbacks = plan->given->len > 0 ? intro_callbacks_new(kernel) : NULL;
    survey->tasks = patch_task_table_new(kernel);
    survey->looks = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, (GDestroyNotify) look_free);
    survey->restless = g_array_new(FALSE, FALSE, sizeof(guint));
    survey->standing = g_array_new(FALSE, FALSE, sizeof(guint));
    survey->blockers = patch_blockers_new();
    return survey;
}

void
patch_survey_free(PatchSurvey *survey)
{
    if (!survey)
        return;
    patch_judge_free(survey->judge);
    intro_callbacks_free(survey->callbacks);
    patch_task_table_free(survey->tasks);
    intro_task_watch_free(survey->watch);
    intro_run_queues_free(survey->queues);
    g_hash_table_unref(survey->looks);
    g_array_unref(survey->restless);
    g_array_unref(survey->standing);
    g_ptr_array_unref(survey->blockers);
    g_free(survey);
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

    *look = (Look) { .pid = task->pid, .switches = task->switches, .sp = task->sp, .blockers = patch_blockers_new() };
    patch_judge_stack(survey->judge, stack, task->pid, task->name, look->blockers);
    return look;
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
    patch_blockers_add(survey->blockers, look->blockers);
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
    for (guint i = 0; i < patch_task_table_n(survey->tasks); i++) {
        const IntroTask *task = patch_task_table_at(survey->tasks, i);

        if (!(covered && g_hash_table_contains(covered, task)) && !visit(survey, task, is_paused, error))
            return FALSE;
    }
    return TRUE;
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
    const IntroTask *task = patch_task_table_at(survey->tasks, index);
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
    if (!survey->watch || !find_queues(survey, error) || !patch_task_table_list(survey->tasks, FALSE, error) ||
        !look_at_all(survey, NULL, FALSE, error))
        return FALSE;
    for (guint i = 0; i < patch_task_table_n(survey->tasks); i++)
        if (!watch_task(survey, i, error))
            return FALSE;
    g_hash_table_foreach_remove(survey->looks, is_stale, survey);
    return TRUE;
}

static gboolean
read_all_again(PatchSurvey *survey, const GArray *indices)
{
    for (guint i = 0; i < indices->len; i++)
        if (!patch_task_table_read_again(survey->tasks, g_array_index(indices, guint, i)))
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

        if (patch_task_table_find(survey->tasks, g_array_index(ran, GuestVa, i), &index))
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

        if (patch_task_table_find(survey->tasks, va, &index))
            continue;
        if (!patch_task_table_add(survey->tasks, va, &index, error))
            return FALSE;
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
        const IntroTask *task = patch_task_table_at(survey->tasks, g_array_index(changed, guint, i));

        if (!g_hash_table_contains(covered, task) && !visit(survey, task, TRUE, error))
            return FALSE;
    }
    for (guint i = 0; i < survey->standing->len; i++) {
        guint index = g_array_index(survey->standing, guint, i);
        const IntroTask *task = patch_task_table_at(survey->tasks, index);
        const Look *look = g_hash_table_lookup(survey->looks, &task->task);

        if (!contains(changed, index) && !g_hash_table_contains(covered, task))
            patch_blockers_add(survey->blockers, look->blockers);
    }
    return TRUE;
}

/* Where it cannot be told which tasks have run, all are listed and looked at anew. */
static gboolean
look_while_paused(PatchSurvey *survey, const VmmVcpu *vcpus, guint n_vcpus, GError **error)
{
    g_autoptr(GHashTable) covered = g_hash_table_new(NULL, NULL);
    g_autoptr(GArray) changed = g_array_new(FALSE, FALSE, sizeof(guint));
    const PatchOnCpus on_cpus = { survey->kernel, survey->tasks, survey->judge, survey->blockers, &survey->n_looked_at };
    gboolean known;

    if (!find_changed(survey, vcpus, n_vcpus, changed, &known, error))
        return FALSE;
    known = known && read_all_again(survey, changed);
    if (!known)
        stop_watching(survey);
    if ((!known && !patch_task_table_list(survey->tasks, TRUE, error)) || !add_unlisted(survey, changed, error) ||
        !patch_on_cpus_look(&on_cpus, vcpus, n_vcpus, covered, error))
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
    g_autoptr(GPtrArray) pending = patch_blockers_new();
    gboolean may_be_more;

    if (survey->callbacks)
        (void) patch_pending_look(survey->callbacks, survey->plan->given, pending, NULL);
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

/* In a guest that runs, lists may come apart under way; then the pause tells. It is not made longer where somebody is in the
 * way already, nor begun where it would be too long. */
static gboolean
look_at_pending(PatchSurvey *survey, gboolean is_paused, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (survey->callbacks && !is_paused && !patch_pending_look_at_variables(survey->kernel, survey->plan, survey->blockers, error))
        return FALSE;
    if (!survey->callbacks || (is_paused && survey->blockers->len > 0) ||
        patch_pending_look(survey->callbacks, survey->plan->given, survey->blockers, &failure))
        return TRUE;
    if (g_error_matches(failure, INTRO_ERROR, INTRO_ERROR_CORRUPT)) {
        g_set_error_literal(error, PATCH_ERROR, PATCH_ERROR_PASSING, failure->message);
        return FALSE;
    }
    if (!is_paused)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

gboolean
patch_survey_look(PatchSurvey *survey, const VmmVcpu *vcpus, guint n_vcpus, GError **error)
{
    survey->round++;
    survey->n_looked_at = 0;
    g_ptr_array_set_size(survey->blockers, 0);
    if (survey->forbids_nothing)
        return TRUE;
    if (!(vcpus ? look_while_paused(survey, vcpus, n_vcpus, error) : look_while_running(survey, error)))
        return FALSE;
    return look_at_pending(survey, vcpus != NULL, error);
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
