/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/run-queues.h"

#include "introspect/cursor.h"

/* A task is queued before it is counted, or after; how many it may be at once is not known. */
#define MORE_THAN_COUNTED 64
#define MAX_QUEUED (64u << 10)      /* of all CPUs */
#define MAX_PRIORITIES 256
#define LINK_BYTES (2 * sizeof(GuestVa))

/* A list in struct rq, and what of struct task_struct is linked in it. */
static const struct {
    const char *head, *link;
} list_names[] = {
    { "cfs_tasks", "se.group_node" },
    { "scx.runnable_list", "scx.runnable_node" },
};

typedef struct {
    gsize head, link;       /* offsets, bytes */
} List;

struct IntroRunQueues {
    const IntroKernel *kernel;
    GArray *queues;         /* of GuestVa: each CPU's struct rq */
    GArray *counts;         /* of GuestPa: their numbers of tasks */
    List lists[G_N_ELEMENTS(list_names)];
    guint n_lists;
    List realtime;          /* the first of a list for each priority */
    gsize realtime_count;   /* offset of the number of tasks in them */
    guint n_priorities;
};

void
intro_run_queues_free(IntroRunQueues *queues)
{
    if (queues == NULL)
        return;
    g_clear_pointer(&queues->queues, g_array_unref);
    g_array_unref(queues->counts);
    g_free(queues);
}

static gboolean
find_lists(IntroRunQueues *queues, GError **error)
{
    const IntroBtf *btf = intro_kernel_btf(queues->kernel);
    IntroMember priorities;

    for (gsize i = 0; i < G_N_ELEMENTS(list_names); i++) {
        List *list = &queues->lists[queues->n_lists];

        if (intro_btf_offset(btf, "rq", list_names[i].head, &list->head, NULL)
            && intro_btf_offset(btf, "task_struct", list_names[i].link, &list->link, NULL))
            queues->n_lists++;
    }
    if (queues->n_lists == 0) {
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED,
                            "the kernel's types do not tell where tasks wait for a CPU (rq.cfs_tasks)");
        return FALSE;
    }
    if (!intro_btf_offset(btf, "rq", "rt.rt_nr_running", &queues->realtime_count, error)
        || !intro_btf_offset(btf, "task_struct", "rt.run_list", &queues->realtime.link, error)
        || !intro_btf_member(btf, "rq", "rt.active.queue", &priorities, error))
        return FALSE;
    queues->realtime.head = priorities.offset_bits / 8;
    queues->n_priorities = MIN(priorities.n_elements, MAX_PRIORITIES);
    return TRUE;
}

static gboolean
find_queues(IntroRunQueues *queues, GError **error)
{
    gsize count;

    queues->queues = intro_kernel_percpu_copies(queues->kernel, "runqueues", error);
    if (queues->queues == NULL
        || !intro_btf_offset(intro_kernel_btf(queues->kernel), "rq", "nr_running", &count, error))
        return FALSE;
    for (guint i = 0; i < queues->queues->len; i++) {
        GuestVa va = g_array_index(queues->queues, GuestVa, i) + count;
        IntroMapping mapping;

        if (!intro_space_translate(intro_kernel_space(queues->kernel), va, &mapping, error))
            return FALSE;
        g_array_append_val(queues->counts, mapping.pa);
    }
    return TRUE;
}

IntroRunQueues *
intro_run_queues_new(const IntroKernel *kernel, GError **error)
{
    g_autoptr(IntroRunQueues) queues = g_new0(IntroRunQueues, 1);

    queues->kernel = kernel;
    queues->counts = g_array_new(FALSE, FALSE, sizeof(GuestPa));
    return find_lists(queues, error) && find_queues(queues, error) ? g_steal_pointer(&queues) : NULL;
}

static gboolean
fail_endless(GError **error)
{
    g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT,
                        "the list of tasks that wait for a CPU holds more than there are");
    return FALSE;
}

/* NEXT is what the list's head at HEAD_VA holds. */
static gboolean
walk(const IntroRunQueues *queues, GuestVa head_va, GuestVa next, gsize link, guint limit, GArray *tasks, GError **error)
{
    for (guint n = 0; next != head_va; n++) {
        GuestVa task = next - link;

        if (n == limit)
            return fail_endless(error);
        g_array_append_val(tasks, task);
        if (!intro_space_read_u64(intro_kernel_space(queues->kernel), next, &next, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
walk_realtime(const IntroRunQueues *queues, GuestVa queue, guint limit, GArray *tasks, GError **error)
{
    const IntroSpace *space = intro_kernel_space(queues->kernel);
    guint8 heads[MAX_PRIORITIES * LINK_BYTES];
    GuestVa first = queue + queues->realtime.head;
    guint32 n_running;

    if (!intro_space_read_u32(space, queue + queues->realtime_count, &n_running, error))
        return FALSE;
    if (n_running == 0)
        return TRUE;
    if (!intro_space_read(space, first, heads, queues->n_priorities * LINK_BYTES, error))
        return FALSE;
    for (guint i = 0; i < queues->n_priorities; i++)
        if (!walk(queues, first + i * LINK_BYTES, intro_word(heads + i * LINK_BYTES), queues->realtime.link, limit, tasks,
                  error))
            return FALSE;
    return TRUE;
}

static gboolean
walk_queue(const IntroRunQueues *queues, GuestVa queue, guint limit, GArray *tasks, GError **error)
{
    for (guint i = 0; i < queues->n_lists; i++) {
        GuestVa head_va = queue + queues->lists[i].head, next;

        if (!intro_space_read_u64(intro_kernel_space(queues->kernel), head_va, &next, error)
            || !walk(queues, head_va, next, queues->lists[i].link, limit, tasks, error))
            return FALSE;
    }
    return walk_realtime(queues, queue, limit, tasks, error);
}

/* Of CPUs that are idle, which most are, nothing but the number of tasks is read. */
gboolean
intro_run_queues_read(const IntroRunQueues *queues, GArray *tasks, GError **error)
{
    guint n = queues->counts->len;
    g_autofree guint32 *counts = g_new(guint32, n);
    g_autofree VmmExtent *extents = g_new(VmmExtent, n);

    for (guint i = 0; i < n; i++)
        extents[i] = (VmmExtent) { g_array_index(queues->counts, GuestPa, i), &counts[i], sizeof counts[i] };
    if (!vmm_read_extents(intro_kernel_reader(queues->kernel), extents, n, error))
        return FALSE;
    for (guint i = 0; i < n; i++) {
        guint64 count = GUINT32_FROM_LE(counts[i]), left = MAX_QUEUED - MIN(tasks->len, MAX_QUEUED);

        if (count > 0 && !walk_queue(queues, g_array_index(queues->queues, GuestVa, i),
                                     MIN(count + MORE_THAN_COUNTED, left), tasks, error))
            return FALSE;
    }
    return TRUE;
}
