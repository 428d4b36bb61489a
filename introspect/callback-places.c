/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/callback-places.h"

#define MAX_TABLE_BYTES 65536

static gboolean
find_linked(const IntroCallbacks *callbacks, const char *type, const char *link, const char *word, IntroLinked *linked,
            GError **error)
{
    const IntroBtf *btf = intro_kernel_btf(callbacks->kernel);

    return intro_btf_offset(btf, type, link, &linked->link, error) && intro_btf_offset(btf, type, word, &linked->word, error);
}

/* How many elements of SIZE bytes the variable NAME has: what its symbol leaves room for. */
static guint
n_elements(const IntroCallbacks *callbacks, const char *name, gsize size)
{
    guint n = 0;
    g_autofree const IntroSymbol **symbols = intro_symbols_named(intro_kernel_symbols(callbacks->kernel), NULL, name, &n);

    return n == 1 && size > 0 ? MIN(symbols[0]->size, MAX_TABLE_BYTES) / size : 0;
}

/* The elements of the array of TYPE that is the per-CPU variable NAME, of all CPUs. */
static gboolean
add_percpu(const IntroCallbacks *callbacks, const char *name, const char *type, GArray *places, GError **error)
{
    g_autoptr(GArray) copies = intro_kernel_percpu_copies(callbacks->kernel, name, error);
    gsize size;
    guint n;

    if (copies == NULL || !intro_btf_size(intro_kernel_btf(callbacks->kernel), type, &size, error))
        return FALSE;
    n = MAX(n_elements(callbacks, name, size), 1);
    for (guint cpu = 0; cpu < copies->len; cpu++)
        for (guint i = 0; i < n; i++) {
            GuestVa place = g_array_index(copies, GuestVa, cpu) + i * size;

            g_array_append_val(places, place);
        }
    return TRUE;
}

/* Where in TYPE its spinlock MEMBER is; FALSE if it has none, or one without a word of its own. */
static gboolean
find_lock(const IntroCallbacks *callbacks, const char *type, const char *member, gsize *at)
{
    IntroMember lock;

    if (!intro_btf_member(intro_kernel_btf(callbacks->kernel), type, member, &lock, NULL) || lock.size_bits < 32)
        return FALSE;
    *at = lock.offset_bits / 8;
    return TRUE;
}

static void
add_locks(const IntroCallbacks *callbacks, const GArray *owners, const char *type, const char *member)
{
    gsize at;

    if (!find_lock(callbacks, type, member, &at))
        return;
    for (guint i = 0; i < owners->len; i++) {
        GuestVa lock = g_array_index(owners, GuestVa, i) + at;

        g_array_append_val(callbacks->locks, lock);
    }
}

gboolean
intro_callback_places_timers(IntroCallbacks *callbacks, GError **error)
{
    const IntroBtf *btf = intro_kernel_btf(callbacks->kernel);
    IntroMember vectors;

    if (!find_linked(callbacks, "timer_list", "entry.next", "function", &callbacks->timer, error)
        || !intro_btf_member(btf, "timer_base", "vectors", &vectors, error)
        || !intro_btf_offset(btf, "delayed_work", "timer", &callbacks->delayed_timer, error)
        || !intro_btf_offset(btf, "delayed_work", "work", &callbacks->delayed_work, error)
        || !intro_btf_offset(btf, "delayed_work", "work.func", &callbacks->delayed_function, error)
        || !intro_symbols_address(intro_kernel_symbols(callbacks->kernel), "delayed_work_timer_fn", &callbacks->delays, error))
        return FALSE;
    callbacks->vectors = vectors.offset_bits / 8;
    callbacks->n_vectors = MIN(vectors.n_elements, INTRO_MAX_CALLBACK_HEADS);
    if (!add_percpu(callbacks, "timer_bases", "timer_base", callbacks->timer_bases, error))
        return FALSE;
    add_locks(callbacks, callbacks->timer_bases, "timer_base", "lock");
    return TRUE;
}

gboolean
intro_callback_places_hrtimers(IntroCallbacks *callbacks, GError **error)
{
    const IntroBtf *btf = intro_kernel_btf(callbacks->kernel);
    g_autoptr(GArray) bases = g_array_new(FALSE, FALSE, sizeof(GuestVa));
    IntroMember clocks;

    if (!find_linked(callbacks, "hrtimer", "node.node", "function", &callbacks->hrtimer, error)
        || !intro_btf_member(btf, "hrtimer_cpu_base", "clock_base", &clocks, error)
        || !intro_btf_offset(btf, "hrtimer_clock_base", "active.rb_root.rb_root.rb_node", &callbacks->clock_root, error)
        || !intro_btf_offset(btf, "rb_node", "rb_left", &callbacks->left, error)
        || !intro_btf_offset(btf, "rb_node", "rb_right", &callbacks->right, error)
        || !add_percpu(callbacks, "hrtimer_bases", "hrtimer_cpu_base", bases, error))
        return FALSE;
    for (guint i = 0; i < bases->len; i++)
        for (guint c = 0; c < MIN(clocks.n_elements, INTRO_MAX_CALLBACK_HEADS); c++) {
            GuestVa clock = g_array_index(bases, GuestVa, i) + (clocks.offset_bits + (guint64) c * clocks.size_bits) / 8;

            g_array_append_val(callbacks->clocks, clock);
        }
    add_locks(callbacks, bases, "hrtimer_cpu_base", "lock");
    return TRUE;
}

static gboolean
find_pools(IntroCallbacks *callbacks, GError **error)
{
    const IntroBtf *btf = intro_kernel_btf(callbacks->kernel);
    const IntroSymbols *symbols = intro_kernel_symbols(callbacks->kernel);
    GuestVa unused;

    if (!intro_btf_offset(btf, "worker_pool", "worklist", &callbacks->worklist, error)
        || !intro_btf_offset(btf, "worker_pool", "workers", &callbacks->workers, error)
        || !find_linked(callbacks, "worker_pool", "hash_node.next", "hash_node.next", &callbacks->unbound_pool, error)
        || !intro_symbols_address(symbols, "unbound_pool_hash", &callbacks->unbound_pools, error)
        || !add_percpu(callbacks, "cpu_worker_pools", "worker_pool", callbacks->pools, error))
        return FALSE;
    callbacks->has_pool_lock = find_lock(callbacks, "worker_pool", "lock", &callbacks->pool_lock);
    callbacks->n_unbound_pools = MIN(n_elements(callbacks, "unbound_pool_hash", sizeof(guint64)), INTRO_MAX_CALLBACK_HEADS);
    return !intro_symbols_address(symbols, "bh_worker_pools", &unused, NULL)
        || add_percpu(callbacks, "bh_worker_pools", "worker_pool", callbacks->pools, error);
}

gboolean
intro_callback_places_works(IntroCallbacks *callbacks, GError **error)
{
    const IntroBtf *btf = intro_kernel_btf(callbacks->kernel);
    /* Until 5.13, and since. */
    gboolean is_old = intro_btf_has_member(btf, "pool_workqueue", "delayed_works");

    return find_linked(callbacks, "work_struct", "entry.next", "func", &callbacks->work, error)
        && find_linked(callbacks, "worker", "node.next", "current_func", &callbacks->worker, error)
        && intro_btf_offset(btf, "worker", "scheduled", &callbacks->scheduled, error)
        && intro_btf_offset(btf, "worker", "current_work", &callbacks->current_work, error)
        && find_linked(callbacks, "workqueue_struct", "list.next", "pwqs.next", &callbacks->queue, error)
        && intro_btf_offset(btf, "workqueue_struct", "pwqs", &callbacks->queue_pools, error)
        && find_linked(callbacks, "pool_workqueue", "pwqs_node.next", is_old ? "delayed_works.next" : "inactive_works.next",
                       &callbacks->pool_of_queue, error)
        && intro_btf_offset(btf, "pool_workqueue", is_old ? "delayed_works" : "inactive_works", &callbacks->waiting, error)
        && intro_symbols_address(intro_kernel_symbols(callbacks->kernel), "workqueues", &callbacks->queues, error)
        && find_pools(callbacks, error);
}

gboolean
intro_callback_places_tasklets(IntroCallbacks *callbacks, GError **error)
{
    return find_linked(callbacks, "tasklet_struct", "next", "func", &callbacks->tasklet, error)
        && add_percpu(callbacks, "tasklet_vec", "tasklet_head", callbacks->tasklets, error)
        && add_percpu(callbacks, "tasklet_hi_vec", "tasklet_head", callbacks->tasklets, error);
}

/* Of each CPU its list, and where it has one, another beside it. */
static gboolean
add_rcu(IntroCallbacks *callbacks, GError **error)
{
    const IntroBtf *btf = intro_kernel_btf(callbacks->kernel);
    g_autoptr(GArray) copies = intro_kernel_percpu_copies(callbacks->kernel, "rcu_data", error);
    gsize list, bypass;

    if (copies == NULL || !intro_btf_offset(btf, "rcu_data", "cblist.head", &list, error))
        return FALSE;
    for (guint i = 0; i < copies->len; i++) {
        GuestVa place = g_array_index(copies, GuestVa, i) + list;

        g_array_append_val(callbacks->rcu, place);
        if (!intro_btf_offset(btf, "rcu_data", "nocb_bypass.head", &bypass, NULL))
            continue;
        place += bypass - list;
        g_array_append_val(callbacks->rcu, place);
    }
    add_locks(callbacks, copies, "rcu_data", "nocb_lock");
    add_locks(callbacks, copies, "rcu_data", "nocb_bypass_lock");
    return TRUE;
}

/* Those of tasks, of which a kernel has as many kinds as it was built with. Until 5.16, what waits for tasks is in a variable of a
 * function's. */
static void
add_rcu_tasks(IntroCallbacks *callbacks)
{
    static const char *const names[] = { "rcu_tasks__percpu", "rcu_tasks_rude__percpu", "rcu_tasks_trace__percpu" };
    gsize list;

    if (!intro_btf_offset(intro_kernel_btf(callbacks->kernel), "rcu_tasks_percpu", "cblist.head", &list, NULL))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GArray) copies = intro_kernel_percpu_copies(callbacks->kernel, names[i], NULL);

        if (copies == NULL)
            continue;
        for (guint cpu = 0; cpu < copies->len; cpu++) {
            GuestVa place = g_array_index(copies, GuestVa, cpu) + list;

            g_array_append_val(callbacks->rcu, place);
        }
        add_locks(callbacks, copies, "rcu_tasks_percpu", "lock");
    }
}

gboolean
intro_callback_places_rcu(IntroCallbacks *callbacks, GError **error)
{
    if (!find_linked(callbacks, "callback_head", "next", "func", &callbacks->rcu_head, error) || !add_rcu(callbacks, error))
        return FALSE;
    add_rcu_tasks(callbacks);
    return TRUE;
}

/* A kernel for one CPU has no calls on others. Among those are tasks that are to be woken up, in which small numbers are where calls
 * have their functions. */
gboolean
intro_callback_places_irq_works(IntroCallbacks *callbacks, GError **error)
{
    GuestVa calls;

    if (!find_linked(callbacks, "irq_work", "node.llist.next", "func", &callbacks->irq_work, error)
        || !add_percpu(callbacks, "raised_list", "llist_head", callbacks->irq_works, error)
        || !add_percpu(callbacks, "lazy_list", "llist_head", callbacks->irq_works, error))
        return FALSE;
    return !intro_symbols_address(intro_kernel_symbols(callbacks->kernel), "call_single_queue", &calls, NULL)
        || (find_linked(callbacks, "__call_single_data", "node.llist.next", "func", &callbacks->call, error)
            && add_percpu(callbacks, "call_single_queue", "llist_head", callbacks->calls, error));
}

static gboolean
find_srcu_data(const IntroBtf *btf, IntroSrcuPlaces *srcu, GError **error)
{
    return intro_btf_offset(btf, "srcu_struct", "sda", &srcu->areas, error)
        && intro_btf_offset(btf, "srcu_data", "work", &srcu->call_work, error)
        && intro_btf_offset(btf, "srcu_data", "delay_work", &srcu->timer, error)
        && intro_btf_offset(btf, "srcu_data", "ssp", &srcu->domain, error)
        && intro_btf_offset(btf, "srcu_data", "srcu_cblist.head", &srcu->list, error);
}

static gboolean
find_cpu_offsets(IntroCallbacks *callbacks, GError **error)
{
    for (guint cpu = 0; cpu < intro_kernel_n_cpus(callbacks->kernel); cpu++) {
        g_autoptr(GError) failure = NULL;
        guint64 offset;

        if (intro_kernel_percpu_offset(callbacks->kernel, cpu, &offset, &failure))
            g_array_append_val(callbacks->cpu_offsets, offset);
        else if (!g_error_matches(failure, INTRO_ERROR, INTRO_ERROR_NOT_FOUND)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean
find_srcu_functions(const IntroSymbols *symbols, IntroSrcuPlaces *srcu, GError **error)
{
    return intro_symbols_address(symbols, "process_srcu", &srcu->ends, error)
        && intro_symbols_address(symbols, "srcu_invoke_callbacks", &srcu->calls, error)
        && intro_symbols_address(symbols, "srcu_delay_timer", &srcu->queues, error);
}

gboolean
intro_callback_places_srcu(IntroCallbacks *callbacks, GError **error)
{
    const IntroBtf *btf = intro_kernel_btf(callbacks->kernel);
    const IntroSymbols *symbols = intro_kernel_symbols(callbacks->kernel);
    IntroSrcuPlaces srcu = { 0 };
    const char *type;

    /* Since 6.4. */
    srcu.is_apart = intro_btf_offset(btf, "srcu_usage", "srcu_ssp", &srcu.owner, NULL);
    type = srcu.is_apart ? "srcu_usage" : "srcu_struct";
    srcu.has_lock = find_lock(callbacks, "srcu_data", "lock", &srcu.lock);
    if (!find_linked(callbacks, "callback_head", "next", "func", &callbacks->rcu_head, error)
        || !intro_btf_offset(btf, type, "work.work", &srcu.end_work, error) || !find_srcu_data(btf, &srcu, error)
        || !find_srcu_functions(symbols, &srcu, error) || !find_cpu_offsets(callbacks, error))
        return FALSE;
    /* Later ones. */
    if (intro_btf_offset(btf, type, "irq_work", &srcu.begin_work, NULL)
        && !intro_symbols_address(symbols, "srcu_irq_work", &srcu.begins, error))
        return FALSE;
    callbacks->srcu = srcu;
    return TRUE;
}
