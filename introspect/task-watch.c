/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/task-watch.h"

#include "introspect/switches.h"
#include "introspect/task-struct.h"

typedef struct {
    GuestPa voluntary, involuntary;
} Counters;

typedef struct {
    GuestVa task;
    guint64 switches;
    Counters counters;
    gboolean is_restless;       /* it was seen to have run */
} Watched;

struct IntroTaskWatch {
    const IntroKernel *kernel;
    const IntroTaskLayout *layout;
    gboolean has_forks;         /* the kernel counts them */
    GuestPa forks_pa;
    guint64 forks;
    GArray *watched;            /* of Watched */
    GArray *restless;           /* of Counters: of tasks that are not watched */
    GHashTable *known;          /* of GuestVa *: all of these tasks */
    IntroSwitches *switches;    /* NULL before it was begun to count them */
    gboolean is_confirmed;
};

void
intro_task_watch_free(IntroTaskWatch *watch)
{
    if (watch == NULL)
        return;
    g_array_unref(watch->watched);
    g_array_unref(watch->restless);
    g_hash_table_unref(watch->known);
    intro_switches_free(watch->switches);
    g_free(watch);
}

/* Where it lies is found out now, and not when the guest stands still. */
static gboolean
find_forks(IntroTaskWatch *watch, GError **error)
{
    const IntroSpace *space = intro_kernel_space(watch->kernel);
    IntroMapping mapping;
    GuestVa va;

    watch->has_forks = intro_symbols_address(intro_kernel_symbols(watch->kernel), "total_forks", &va, NULL);
    if (!watch->has_forks)
        return TRUE;
    if (!intro_space_translate(space, va, &mapping, error) || !intro_space_read_u64(space, va, &watch->forks, error))
        return FALSE;
    watch->forks_pa = mapping.pa;
    return TRUE;
}

IntroTaskWatch *
intro_task_watch_new(const IntroKernel *kernel, GError **error)
{
    g_autoptr(IntroTaskWatch) watch = g_new0(IntroTaskWatch, 1);

    watch->kernel = kernel;
    watch->watched = g_array_new(FALSE, FALSE, sizeof(Watched));
    watch->restless = g_array_new(FALSE, FALSE, sizeof(Counters));
    watch->known = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    watch->layout = intro_kernel_task_layout(kernel, error);
    if (watch->layout == NULL || !find_forks(watch, error))
        return NULL;
    return g_steal_pointer(&watch);
}

static gboolean
find_counter(const IntroTaskWatch *watch, GuestVa task, IntroTaskField counter, GuestPa *pa, GError **error)
{
    IntroMapping mapping;

    if (!intro_space_translate(intro_kernel_space(watch->kernel), task + watch->layout->fields[counter].offset_bits / 8,
                               &mapping, error))
        return FALSE;
    *pa = mapping.pa;
    return TRUE;
}

static gboolean
find_counters(const IntroTaskWatch *watch, GuestVa task, Counters *counters, GError **error)
{
    return find_counter(watch, task, INTRO_TASK_VOLUNTARY, &counters->voluntary, error)
           && find_counter(watch, task, INTRO_TASK_INVOLUNTARY, &counters->involuntary, error);
}

/* FALSE if it was known already: a list that changes while it is read can have a task twice. */
static gboolean
get_to_know(IntroTaskWatch *watch, GuestVa task)
{
    return g_hash_table_add(watch->known, g_memdup2(&task, sizeof task));
}

gboolean
intro_task_watch_add(IntroTaskWatch *watch, const IntroTask *task, GError **error)
{
    Watched watched = { .task = task->task, .switches = task->switches };

    if (!find_counters(watch, task->task, &watched.counters, error))
        return FALSE;
    if (get_to_know(watch, task->task))
        g_array_append_val(watch->watched, watched);
    return TRUE;
}

gboolean
intro_task_watch_add_restless(IntroTaskWatch *watch, const IntroTask *task, GError **error)
{
    Counters counters;

    if (!find_counters(watch, task->task, &counters, error))
        return FALSE;
    if (get_to_know(watch, task->task))
        g_array_append_val(watch->restless, counters);
    return TRUE;
}

guint
intro_task_watch_n_asleep(const IntroTaskWatch *watch)
{
    return watch->watched->len;
}

/* The two counters of a task lie side by side in all kernels so far, and are then read in one piece. VALUES has two for each
 * task, and room for the number of forks behind them. */
static gboolean
read_counters(const IntroTaskWatch *watch, guint64 *values, GError **error)
{
    guint n = watch->watched->len;
    g_autofree VmmExtent *extents = g_new(VmmExtent, 2 * n + 1);
    gsize n_extents = 0;

    for (guint i = 0; i < n; i++) {
        const Counters *counters = &g_array_index(watch->watched, Watched, i).counters;
        gboolean joined = counters->involuntary.value == counters->voluntary.value + sizeof values[0];

        extents[n_extents++] = (VmmExtent) { counters->voluntary, &values[2 * i], (joined ? 2 : 1) * sizeof values[0] };
        if (!joined)
            extents[n_extents++] = (VmmExtent) { counters->involuntary, &values[2 * i + 1], sizeof values[0] };
    }
    if (watch->has_forks)
        extents[n_extents++] = (VmmExtent) { watch->forks_pa, &values[2 * n], sizeof values[0] };
    return n_extents == 0 || vmm_read_extents(intro_kernel_reader(watch->kernel), extents, n_extents, error);
}

static gboolean
has_run(const Watched *watched, const guint64 *values)
{
    return GUINT64_FROM_LE(values[0]) + GUINT64_FROM_LE(values[1]) != watched->switches;
}

/* Marks those that have run as restless. */
static gboolean
find_restless(IntroTaskWatch *watch, GError **error)
{
    g_autofree guint64 *values = g_new(guint64, 2 * watch->watched->len + 1);

    if (!read_counters(watch, values, error))
        return FALSE;
    for (guint i = 0; i < watch->watched->len; i++) {
        Watched *watched = &g_array_index(watch->watched, Watched, i);

        watched->is_restless |= has_run(watched, &values[2 * i]);
    }
    return TRUE;
}

gboolean
intro_task_watch_narrow(IntroTaskWatch *watch, GError **error)
{
    g_clear_pointer(&watch->switches, intro_switches_free);
    watch->is_confirmed = FALSE;
    watch->switches = intro_switches_new(watch->kernel);
    if (!find_restless(watch, error))
        return FALSE;
    for (guint i = 0; i < watch->watched->len; i++) {
        const Watched *watched = &g_array_index(watch->watched, Watched, i);

        if (watched->is_restless)
            intro_switches_add(watch->switches, watched->counters.voluntary, watched->counters.involuntary);
    }
    for (guint i = 0; i < watch->restless->len; i++) {
        const Counters *counters = &g_array_index(watch->restless, Counters, i);

        intro_switches_add(watch->switches, counters->voluntary, counters->involuntary);
    }
    return TRUE;
}

gboolean
intro_task_watch_begin(IntroTaskWatch *watch, const VmmVcpu *vcpus, guint n_vcpus, GError **error)
{
    return intro_switches_begin(watch->switches, vcpus, n_vcpus, error);
}

/* Of what ran before the count began, the count does not tell. */
gboolean
intro_task_watch_confirm(IntroTaskWatch *watch, GError **error)
{
    watch->is_confirmed = find_restless(watch, error);
    return watch->is_confirmed;
}

static gboolean
look_at_all(const IntroTaskWatch *watch, GArray *ran, gboolean *may_be_more, GError **error)
{
    g_autofree guint64 *values = g_new(guint64, 2 * watch->watched->len + 1);

    if (!read_counters(watch, values, error))
        return FALSE;
    *may_be_more = !watch->has_forks || GUINT64_FROM_LE(values[2 * watch->watched->len]) != watch->forks;
    for (guint i = 0; i < watch->watched->len; i++) {
        const Watched *watched = &g_array_index(watch->watched, Watched, i);

        if (has_run(watched, &values[2 * i]))
            g_array_append_val(ran, watched->task);
    }
    return TRUE;
}

static gboolean
look_at_restless(const IntroTaskWatch *watch, GArray *ran, gboolean *may_be_more, GError **error)
{
    guint64 forks;

    if (watch->has_forks && !vmm_read(intro_kernel_reader(watch->kernel), watch->forks_pa, &forks, sizeof forks, error))
        return FALSE;
    *may_be_more = !watch->has_forks || GUINT64_FROM_LE(forks) != watch->forks;
    for (guint i = 0; i < watch->watched->len; i++) {
        const Watched *watched = &g_array_index(watch->watched, Watched, i);

        if (watched->is_restless)
            g_array_append_val(ran, watched->task);
    }
    return TRUE;
}

gboolean
intro_task_watch_look(const IntroTaskWatch *watch, const VmmVcpu *vcpus, guint n_vcpus, GArray *ran, gboolean *may_be_more,
                      GError **error)
{
    gboolean all = FALSE;

    if (watch->is_confirmed && !intro_switches_account(watch->switches, vcpus, n_vcpus, &all, error))
        return FALSE;
    return all ? look_at_restless(watch, ran, may_be_more, error) : look_at_all(watch, ran, may_be_more, error);
}
