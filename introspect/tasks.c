/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/task-struct.h"
#include "introspect/tasks.h"

#define MAX_TASKS           (1u << 18)
#define MAX_ATTEMPTS        16
/* Visits beyond the first whole walk, in all attempts. */
#define MAX_MORE_VISITS     (128u << 10)

typedef struct {
    const IntroKernel *kernel;
    const IntroTaskLayout *layout;
    GPtrArray *tasks;           /* of IntroTask */
    GHashTable *seen;           /* addresses of tasks */
    IntroTaskNames names;
    guint max_tasks;            /* as many as there is memory for: each has a stack */
    guint visits_left;
    gboolean endless;           /* there is no use in trying again */
} Walk;

/* One turn around a ring of tasks that are linked through one of their lists. */
typedef struct {
    IntroTaskField next, previous;
    GuestVa head;               /* a link on the way that is in no task; 0 if there is none */
    GuestVa start;              /* the link where the turn begins and ends; its task is not visited */
    gboolean (*visit)(Walk *walk, GuestVa task, const guint8 *part, GError **error);
} Ring;

void
intro_task_free(IntroTask *task)
{
    if (task == NULL)
        return;
    g_free(task->name);
    g_free(task);
}

static gboolean
torn(GError **error, const char *what)
{
    g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the guest's list of tasks %s", what);
    return FALSE;
}

static gboolean
add_task(Walk *walk, GuestVa task, const guint8 *part, GError **error)
{
    g_autoptr(IntroTask) parsed = intro_task_parse(walk->kernel, walk->layout, task, part, walk->names);

    if (!parsed->is_idle && (parsed->pid < 0 || parsed->tgid <= 0))
        return torn(error, "has an entry that is no task");
    if (walk->tasks->len >= walk->max_tasks)
        walk->endless = TRUE;
    if (walk->endless || !g_hash_table_add(walk->seen, g_memdup2(&task, sizeof(task))))
        return torn(error, "does not end");
    g_ptr_array_add(walk->tasks, g_steal_pointer(&parsed));
    return TRUE;
}

/* The link at LINK: its own two pointers, and the task around it, of which PART is then read. */
static gboolean
read_link(const Walk *walk, const Ring *ring, GuestVa link, guint8 *part, GuestVa *task, guint64 pointers[2],
          GError **error)
{
    const gsize offset = intro_task_link(walk->layout, 0, ring->next);

    *task = link - offset;
    if (link == ring->head)
        return intro_space_read(intro_kernel_space(walk->kernel), link, pointers, 2 * sizeof(*pointers), error);
    if (!intro_task_read_part(walk->kernel, walk->layout, *task, part, error))
        return FALSE;
    pointers[0] = intro_task_field(walk->layout, part, ring->next);
    pointers[1] = intro_task_field(walk->layout, part, ring->previous);
    return TRUE;
}

/*
 * What is linked in must point back to where we come from; or to the one before, if where we come from is just being
 * taken out. Anything else is a task that was freed, and perhaps used again, while we stood on it.
 */
static gboolean
walk_ring(Walk *walk, const Ring *ring, guint64 next, guint64 previous, GError **error)
{
    g_autofree guint8 *part = g_malloc(walk->layout->length);
    GuestVa came_from = ring->start, before = previous;

    while (next != ring->start) {
        GuestVa link = next, task;
        guint64 pointers[2];

        if (walk->visits_left == 0) {
            walk->endless = TRUE;
            return torn(error, "does not end, or changes all the time");
        }
        walk->visits_left--;
        if (!read_link(walk, ring, link, part, &task, pointers, error))
            return FALSE;
        if (pointers[1] != came_from && pointers[1] != before)
            return torn(error, "changed while it was read");
        if (link != ring->head && !ring->visit(walk, task, part, error))
            return FALSE;
        before = came_from;
        came_from = link;
        next = pointers[0];
    }
    return TRUE;
}

static gboolean
add_process(Walk *walk, GuestVa task, const guint8 *part, GError **error)
{
    const Ring threads = {
        .next = INTRO_TASK_NEXT_THREAD, .previous = INTRO_TASK_PREVIOUS_THREAD,
        .head = intro_task_field(walk->layout, part, INTRO_TASK_SIGNAL) + walk->layout->thread_head,
        .start = intro_task_link(walk->layout, task, INTRO_TASK_NEXT_THREAD),
        .visit = add_task,
    };
    guint64 next = intro_task_field(walk->layout, part, threads.next);
    guint64 previous = intro_task_field(walk->layout, part, threads.previous);

    if (!add_task(walk, task, part, error))
        return FALSE;
    if (next == threads.head && previous == threads.head)
        return TRUE;
    return walk_ring(walk, &threads, next, previous, error);
}

static gboolean
walk_processes(Walk *walk, GuestVa init_task, GError **error)
{
    const Ring processes = {
        .next = INTRO_TASK_NEXT, .previous = INTRO_TASK_PREVIOUS,
        .start = intro_task_link(walk->layout, init_task, INTRO_TASK_NEXT), .visit = add_process,
    };
    g_autofree guint8 *part = g_malloc(walk->layout->length);

    return intro_task_read_part(walk->kernel, walk->layout, init_task, part, error)
           && walk_ring(walk, &processes, intro_task_field(walk->layout, part, processes.next),
                        intro_task_field(walk->layout, part, processes.previous), error);
}

/* The guest takes tasks out while we walk: try again, as often as a busy guest can reasonably need. */
static gboolean
walk_until_whole(Walk *walk, GuestVa init_task, GError **error)
{
    g_autoptr(GError) last = NULL;

    for (guint i = 0; i < MAX_ATTEMPTS && !walk->endless; i++) {
        g_clear_error(&last);
        g_ptr_array_set_size(walk->tasks, 0);
        g_hash_table_remove_all(walk->seen);
        if (walk_processes(walk, init_task, &last))
            return TRUE;
    }
    g_propagate_error(error, g_steal_pointer(&last));
    return FALSE;
}

static gint
compare_tasks(gconstpointer a, gconstpointer b)
{
    const IntroTask *left = *(IntroTask *const *) a, *right = *(IntroTask *const *) b;

    if (left->tgid != right->tgid)
        return left->tgid < right->tgid ? -1 : 1;
    return left->pid < right->pid ? -1 : left->pid > right->pid;
}

static gboolean
add_idle_tasks(Walk *walk, GError **error)
{
    const IntroSpace *space = intro_kernel_space(walk->kernel);
    g_autofree guint8 *part = g_malloc(walk->layout->length);
    g_autoptr(GArray) queues = intro_kernel_percpu_copies(walk->kernel, "runqueues", error);

    if (queues == NULL)
        return FALSE;
    for (guint i = 0; i < queues->len; i++) {
        GuestVa task;

        if (!intro_space_read_u64(space, g_array_index(queues, GuestVa, i) + walk->layout->idle, &task, error))
            return FALSE;
        if (task == 0)
            continue;
        if (!intro_task_read_part(walk->kernel, walk->layout, task, part, error)
            || !add_task(walk, task, part, error))
            return FALSE;
    }
    return TRUE;
}

static guint
count_possible_tasks(const IntroKernel *kernel, const IntroTaskLayout *layout)
{
    guint64 bytes = 0;
    guint n_ranges;
    const VmmRange *ranges = vmm_reader_ranges(intro_kernel_reader(kernel), &n_ranges);

    for (guint i = 0; i < n_ranges; i++)
        bytes += ranges[i].length;
    return (guint) MIN(bytes / layout->stack_bytes, MAX_TASKS);
}

static GPtrArray *
list_tasks(const IntroKernel *kernel, IntroTaskNames names, GError **error)
{
    g_autoptr(GPtrArray) tasks = g_ptr_array_new_with_free_func((GDestroyNotify) intro_task_free);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    Walk walk = { kernel, intro_kernel_task_layout(kernel, error), tasks, seen, names };
    GuestVa init_task;

    if (walk.layout == NULL)
        return NULL;
    walk.max_tasks = count_possible_tasks(kernel, walk.layout);
    walk.visits_left = walk.max_tasks + MIN(walk.max_tasks * (MAX_ATTEMPTS - 1), MAX_MORE_VISITS);
    if (!intro_symbols_address(intro_kernel_symbols(kernel), "init_task", &init_task, error)
        || !walk_until_whole(&walk, init_task, error))
        return NULL;
    g_ptr_array_sort(tasks, compare_tasks);
    if (!add_idle_tasks(&walk, error))
        return NULL;
    return g_steal_pointer(&tasks);
}

GPtrArray *
intro_tasks(const IntroKernel *kernel, GError **error)
{
    return list_tasks(kernel, INTRO_TASK_NAMES_FULL, error);
}

GPtrArray *
intro_tasks_briefly(const IntroKernel *kernel, GError **error)
{
    return list_tasks(kernel, INTRO_TASK_NAMES_SHORT, error);
}

static IntroTask *
read_task(const IntroKernel *kernel, GuestVa task, IntroTaskNames names, GError **error)
{
    const IntroTaskLayout *layout = intro_kernel_task_layout(kernel, error);
    g_autofree guint8 *part = NULL;

    if (layout == NULL)
        return NULL;
    part = g_malloc(layout->length);
    if (!intro_task_read_part(kernel, layout, task, part, error))
        return NULL;
    return intro_task_parse(kernel, layout, task, part, names);
}

IntroTask *
intro_task_read(const IntroKernel *kernel, GuestVa task, GError **error)
{
    return read_task(kernel, task, INTRO_TASK_NAMES_FULL, error);
}

IntroTask *
intro_task_read_briefly(const IntroKernel *kernel, GuestVa task, GError **error)
{
    return read_task(kernel, task, INTRO_TASK_NAMES_SHORT, error);
}
