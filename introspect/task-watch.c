/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/task-watch.h"

#include "introspect/task-struct.h"

typedef struct {
    GuestVa task;
    guint64 switches;
} Watched;

struct IntroTaskWatch {
    const IntroKernel *kernel;
    const IntroTaskLayout *layout;
    gboolean has_forks;         /* the kernel counts them */
    GuestPa forks_pa;
    guint64 forks;
    GArray *watched;            /* of Watched */
    GArray *counters;           /* of GuestPa: of each task's two counters */
};

void
intro_task_watch_free(IntroTaskWatch *watch)
{
    if (watch == NULL)
        return;
    g_array_unref(watch->watched);
    g_array_unref(watch->counters);
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
    watch->counters = g_array_new(FALSE, FALSE, sizeof(GuestPa));
    watch->layout = intro_kernel_task_layout(kernel, error);
    if (watch->layout == NULL || !find_forks(watch, error))
        return NULL;
    return g_steal_pointer(&watch);
}

gboolean
intro_task_watch_add(IntroTaskWatch *watch, const IntroTask *task, GError **error)
{
    static const IntroTaskField counters[] = { INTRO_TASK_VOLUNTARY, INTRO_TASK_INVOLUNTARY };
    const Watched watched = { task->task, task->switches };
    GuestPa found[G_N_ELEMENTS(counters)];

    for (gsize i = 0; i < G_N_ELEMENTS(counters); i++) {
        GuestVa va = task->task + watch->layout->fields[counters[i]].offset_bits / 8;
        IntroMapping mapping;

        if (!intro_space_translate(intro_kernel_space(watch->kernel), va, &mapping, error))
            return FALSE;
        found[i] = mapping.pa;
    }
    g_array_append_vals(watch->counters, found, G_N_ELEMENTS(found));
    g_array_append_val(watch->watched, watched);
    return TRUE;
}

/* The two counters of a task lie side by side in all kernels so far, and are then read in one piece. VALUES has room for
 * the number of forks behind them. */
static gboolean
read_counters(const IntroTaskWatch *watch, guint64 *values, GError **error)
{
    const GuestPa *counters = (const GuestPa *) watch->counters->data;
    g_autofree VmmExtent *extents = g_new(VmmExtent, watch->counters->len + 1);
    gsize n_extents = 0;

    for (guint i = 0; i < watch->counters->len; i++) {
        if (i % 2 == 1 && counters[i].value == counters[i - 1].value + sizeof values[0])
            extents[n_extents - 1].length += sizeof values[0];
        else
            extents[n_extents++] = (VmmExtent) { counters[i], values + i, sizeof values[0] };
    }
    if (watch->has_forks)
        extents[n_extents++] = (VmmExtent) { watch->forks_pa, values + watch->counters->len, sizeof values[0] };
    return n_extents == 0 || vmm_read_extents(intro_kernel_reader(watch->kernel), extents, n_extents, error);
}

gboolean
intro_task_watch_look(const IntroTaskWatch *watch, GArray *ran, gboolean *may_be_more, GError **error)
{
    g_autofree guint64 *values = g_new(guint64, watch->counters->len + 1);

    if (!read_counters(watch, values, error))
        return FALSE;
    *may_be_more = !watch->has_forks || GUINT64_FROM_LE(values[watch->counters->len]) != watch->forks;
    for (guint i = 0; i < watch->watched->len; i++) {
        const Watched *watched = &g_array_index(watch->watched, Watched, i);

        if (GUINT64_FROM_LE(values[2 * i]) + GUINT64_FROM_LE(values[2 * i + 1]) != watched->switches)
            g_array_append_val(ran, watched->task);
    }
    return TRUE;
}
