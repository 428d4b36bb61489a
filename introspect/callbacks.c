/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/callbacks.h"

#include "introspect/callback-places.h"
#include "introspect/cursor.h"

/* All together: the guest stands still meanwhile. */
#define MAX_STEPS (1u << 18)

#define MAX_SPAN_BYTES 512
#define MAX_TREE_WAITING 256    /* nodes that are still to be visited: more than there are in any balanced tree */

/* The compiler may have put one into another, but none that is called by its address. */
const char *const intro_callback_runners[] = {
    "run_timer_softirq", "__run_timer_base", "__run_timers", "expire_timers", "call_timer_fn", "__hrtimer_run_queues",
    "__run_hrtimer", "tasklet_action", "tasklet_hi_action", "tasklet_action_common", "rcu_core", "rcu_do_batch",
    "rcu_tasks_invoke_cbs", "srcu_gp_start_if_needed", "srcu_invoke_callbacks", "irq_work_run", "irq_work_run_list", "irq_work_single",
    "irq_work_tick", "__flush_smp_call_function_queue", "flush_smp_call_function_queue",
    "generic_smp_call_function_single_interrupt", NULL,
};

typedef struct {
    const IntroCallbacks *callbacks;
    IntroRecall *recall;
    IntroCallbackFilter filter;
    gconstpointer data;
    GArray *found;
    GArray *domains;            /* of GuestVa: SRCU's, as they are met with */
    guint steps;
    gboolean in_motion;
} Search;

/* ---- Lists ---- */

static gboolean
fail_endless(GError **error)
{
    g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT,
                "the guest has more than %u timers, work items and the like, or its lists of them do not end", MAX_STEPS);
    return FALSE;
}

/* The two words of OBJECT, in one read where they are near each other. */
static gboolean
read_linked(const Search *search, const IntroLinked *linked, GuestVa object, GuestVa *next, guint64 *word, GError **error)
{
    gsize first = MIN(linked->link, linked->word), last = MAX(linked->link, linked->word) + sizeof(guint64);
    guint8 bytes[MAX_SPAN_BYTES];

    if (last - first > sizeof bytes)
        return intro_recall_read_u64(search->recall, object + linked->link, next, error)
            && intro_recall_read_u64(search->recall, object + linked->word, word, error);
    if (!intro_recall_read(search->recall, object + first, bytes, last - first, error))
        return FALSE;
    *next = intro_word(bytes + (linked->link - first));
    *word = intro_word(bytes + (linked->word - first));
    return TRUE;
}

static gboolean
is_of_srcu(const Search *search, GuestVa function)
{
    const IntroSrcuPlaces *srcu = &search->callbacks->srcu;

    return function != 0
        && (function == srcu->ends || function == srcu->begins || function == srcu->calls || function == srcu->queues);
}

/* The SRCU domain whose OBJECT that is with one of SRCU's functions. */
static gboolean
find_domain(const Search *search, GuestVa object, GuestVa function, GuestVa *domain, GError **error)
{
    const IntroSrcuPlaces *srcu = &search->callbacks->srcu;

    if (function == srcu->calls || function == srcu->queues) {
        object -= function == srcu->calls ? srcu->call_work : srcu->timer;
        return intro_recall_read_u64(search->recall, object + srcu->domain, domain, error);
    }
    *domain = object - (function == srcu->ends ? srcu->end_work : srcu->begin_work);
    return !srcu->is_apart || intro_recall_read_u64(search->recall, *domain + srcu->owner, domain, error);
}

static gboolean
note_domain(Search *search, GuestVa object, GuestVa function, GError **error)
{
    GuestVa domain;

    if (!find_domain(search, object, function, &domain, error))
        return FALSE;
    for (guint i = 0; i < search->domains->len; i++)
        if (g_array_index(search->domains, GuestVa, i) == domain)
            return TRUE;
    g_array_append_val(search->domains, domain);
    return TRUE;
}

static void
take(Search *search, const char *kind, GuestVa object, GuestVa function)
{
    IntroCallback callback = { kind, object, function };

    if (function != 0 && search->filter(function, search->data))
        g_array_append_val(search->found, callback);
}

/* The same for what SRCU may wait for. */
static gboolean
take_or_note(Search *search, const char *kind, GuestVa object, GuestVa function, GError **error)
{
    take(search, kind, object, function);
    return !is_of_srcu(search, function) || note_domain(search, object, function, error);
}

/* WORD is the other one of OBJECT. */
typedef gboolean (*Visitor)(Search *search, const char *kind, GuestVa object, guint64 word, GError **error);

static gboolean
visit_function(Search *search, const char *kind, GuestVa object, guint64 word, GError **error)
{
    return take_or_note(search, kind, object, word, error);
}

/* A list from the link NODE to END, or to a null. */
static gboolean
follow(Search *search, const IntroLinked *linked, GuestVa node, GuestVa end, const char *kind, Visitor visit, GError **error)
{
    while (node != 0 && node != end) {
        GuestVa object = node - linked->link;
        guint64 word;

        if (search->steps++ >= MAX_STEPS)
            return fail_endless(error);
        if (!read_linked(search, linked, object, &node, &word, error) || !visit(search, kind, object, word, error))
            return FALSE;
    }
    return TRUE;
}

/* The list whose head, a struct list_head, is at HEAD. */
static gboolean
follow_ring(Search *search, const IntroLinked *linked, GuestVa head, const char *kind, Visitor visit, GError **error)
{
    GuestVa first;

    return intro_recall_read_u64(search->recall, head, &first, error)
        && follow(search, linked, first, head, kind, visit, error);
}

/* N heads, each a pointer to the first. */
static gboolean
follow_heads(Search *search, const IntroLinked *linked, GuestVa heads, guint n, const char *kind, Visitor visit, GError **error)
{
    g_autofree guint8 *bytes = g_malloc(MAX(n, 1) * sizeof(guint64));

    if (!intro_recall_read(search->recall, heads, bytes, n * sizeof(guint64), error))
        return FALSE;
    for (guint i = 0; i < n; i++)
        if (!follow(search, linked, intro_word(bytes + i * sizeof(guint64)), 0, kind, visit, error))
            return FALSE;
    return TRUE;
}

/* ---- Each kind ---- */

/* A timer that a work item waits for stands for that. */
static gboolean
visit_timer(Search *search, const char *kind, GuestVa object, guint64 function, GError **error)
{
    const IntroCallbacks *callbacks = search->callbacks;
    GuestVa delayed = object - callbacks->delayed_timer;

    if (function == callbacks->delays) {
        kind = "delayed work item";
        object = delayed + callbacks->delayed_work;
        if (!intro_recall_read_u64(search->recall, delayed + callbacks->delayed_function, &function, error))
            return FALSE;
    }
    return take_or_note(search, kind, object, function, error);
}

static gboolean
search_timers(Search *search, GError **error)
{
    const IntroCallbacks *callbacks = search->callbacks;

    for (guint i = 0; i < callbacks->timer_bases->len; i++)
        if (!follow_heads(search, &callbacks->timer, g_array_index(callbacks->timer_bases, GuestVa, i) + callbacks->vectors,
                          callbacks->n_vectors, "timer", visit_timer, error))
            return FALSE;
    return TRUE;
}

/* The tree below the node ROOT. */
static gboolean
search_tree(Search *search, GuestVa root, GError **error)
{
    const IntroCallbacks *callbacks = search->callbacks;
    GuestVa waiting[MAX_TREE_WAITING + 2] = { root };

    for (guint n = 1; n > 0;) {
        GuestVa node = waiting[--n], object = node - callbacks->hrtimer.link;
        guint64 function;

        if (node == 0)
            continue;
        if (search->steps++ >= MAX_STEPS || n >= MAX_TREE_WAITING)
            return fail_endless(error);
        if (!intro_recall_read_u64(search->recall, object + callbacks->hrtimer.word, &function, error)
            || !intro_recall_read_u64(search->recall, node + callbacks->left, &waiting[n], error)
            || !intro_recall_read_u64(search->recall, node + callbacks->right, &waiting[n + 1], error))
            return FALSE;
        n += 2;
        take(search, "high-resolution timer", object, function);
    }
    return TRUE;
}

static gboolean
search_hrtimers(Search *search, GError **error)
{
    const IntroCallbacks *callbacks = search->callbacks;

    for (guint i = 0; i < callbacks->clocks->len; i++) {
        GuestVa root;

        if (!intro_recall_read_u64(search->recall, g_array_index(callbacks->clocks, GuestVa, i) + callbacks->clock_root, &root,
                                  error)
            || !search_tree(search, root, error))
            return FALSE;
    }
    return TRUE;
}

/* The work item that WORKER is at, with FUNCTION, is on no list any more. */
static gboolean
note_current(Search *search, GuestVa worker, GuestVa function, GError **error)
{
    GuestVa work;

    return !is_of_srcu(search, function)
        || (intro_recall_read_u64(search->recall, worker + search->callbacks->current_work, &work, error)
            && (work == 0 || note_domain(search, work, function, error)));
}

/* FUNCTION is what the worker is executing; 0 if nothing. */
static gboolean
visit_worker(Search *search, const char *kind, GuestVa worker, guint64 function, GError **error)
{
    const IntroCallbacks *callbacks = search->callbacks;

    take(search, kind, worker, function);
    return note_current(search, worker, function, error)
        && follow_ring(search, &callbacks->work, worker + callbacks->scheduled, "work item", visit_function, error);
}

static gboolean
look_at_lock(Search *search, GuestVa lock, GError **error)
{
    guint32 value;

    if (!intro_recall_read_u32(search->recall, lock, &value, error))
        return FALSE;
    search->in_motion = search->in_motion || value != 0;
    return TRUE;
}

static gboolean
search_pool(Search *search, GuestVa pool, GError **error)
{
    const IntroCallbacks *callbacks = search->callbacks;

    return (!callbacks->has_pool_lock || look_at_lock(search, pool + callbacks->pool_lock, error))
        && follow_ring(search, &callbacks->work, pool + callbacks->worklist, "work item", visit_function, error)
        && follow_ring(search, &callbacks->worker, pool + callbacks->workers, "worker", visit_worker, error);
}

static gboolean
visit_pool(Search *search, const char *kind, GuestVa pool, guint64 unused, GError **error)
{
    return search_pool(search, pool, error);
}

/* NEXT is the first of those that wait until the queue has less to do. */
static gboolean
visit_pool_of_queue(Search *search, const char *kind, GuestVa pool, guint64 next, GError **error)
{
    return follow(search, &search->callbacks->work, next, pool + search->callbacks->waiting, "work item", visit_function,
                  error);
}

static gboolean
visit_queue(Search *search, const char *kind, GuestVa queue, guint64 first, GError **error)
{
    const IntroCallbacks *callbacks = search->callbacks;

    return follow(search, &callbacks->pool_of_queue, first, queue + callbacks->queue_pools, kind, visit_pool_of_queue, error);
}

static gboolean
search_works(Search *search, GError **error)
{
    const IntroCallbacks *callbacks = search->callbacks;

    for (guint i = 0; i < callbacks->pools->len; i++)
        if (!search_pool(search, g_array_index(callbacks->pools, GuestVa, i), error))
            return FALSE;
    return follow_heads(search, &callbacks->unbound_pool, callbacks->unbound_pools, callbacks->n_unbound_pools, "pool",
                        visit_pool, error)
        && follow_ring(search, &callbacks->queue, callbacks->queues, "queue", visit_queue, error);
}

/* Lists with one head each, at PLACES. */
static gboolean
follow_lists(Search *search, const IntroLinked *linked, const GArray *places, const char *kind, GError **error)
{
    for (guint i = 0; i < places->len; i++)
        if (!follow_heads(search, linked, g_array_index(places, GuestVa, i), 1, kind, visit_function, error))
            return FALSE;
    return TRUE;
}

static gboolean
search_tasklets(Search *search, GError **error)
{
    const IntroCallbacks *callbacks = search->callbacks;

    return follow_lists(search, &callbacks->tasklet, callbacks->tasklets, "tasklet", error);
}

static gboolean
search_rcu(Search *search, GError **error)
{
    const IntroCallbacks *callbacks = search->callbacks;

    return follow_lists(search, &callbacks->rcu_head, callbacks->rcu, "RCU callback", error);
}

static gboolean
search_irq_works(Search *search, GError **error)
{
    const IntroCallbacks *callbacks = search->callbacks;

    return follow_lists(search, &callbacks->irq_work, callbacks->irq_works, "irq work item", error)
        && follow_lists(search, &callbacks->call, callbacks->calls, "call on another CPU", error);
}

static gboolean
search_domain(Search *search, GuestVa domain, GError **error)
{
    const IntroCallbacks *callbacks = search->callbacks;
    const IntroSrcuPlaces *srcu = &callbacks->srcu;
    GuestVa areas;

    if (!intro_recall_read_u64(search->recall, domain + srcu->areas, &areas, error))
        return FALSE;
    for (guint i = 0; i < callbacks->cpu_offsets->len; i++) {
        GuestVa area = areas + g_array_index(callbacks->cpu_offsets, guint64, i);

        if ((srcu->has_lock && !look_at_lock(search, area + srcu->lock, error))
            || !follow_heads(search, &callbacks->rcu_head, area + srcu->list, 1, "SRCU callback", visit_function, error))
            return FALSE;
    }
    return TRUE;
}

/* After all that domains may wait for. */
static gboolean
search_srcu(Search *search, GError **error)
{
    for (guint i = 0; i < search->domains->len; i++)
        if (!search_domain(search, g_array_index(search->domains, GuestVa, i), error))
            return FALSE;
    return TRUE;
}

/* ---- All of them ---- */

/* Those that change most come last: in a guest that runs, what comes apart ends the search. */
static const struct {
    const char *plural;
    gboolean (*find)(IntroCallbacks *callbacks, GError **error);
    gboolean (*search)(Search *search, GError **error);
} kinds[] = {
    { "timers", intro_callback_places_timers, search_timers },
    { "high-resolution timers", intro_callback_places_hrtimers, search_hrtimers },
    { "work items", intro_callback_places_works, search_works },
    { "tasklets", intro_callback_places_tasklets, search_tasklets },
    { "irq work items", intro_callback_places_irq_works, search_irq_works },
    { "SRCU callbacks", intro_callback_places_srcu, search_srcu },
    { "RCU callbacks", intro_callback_places_rcu, search_rcu },
};

IntroCallbacks *
intro_callbacks_new(const IntroKernel *kernel)
{
    IntroCallbacks *callbacks = g_new0(IntroCallbacks, 1);
    GArray **const places[] = {
        &callbacks->timer_bases, &callbacks->clocks, &callbacks->pools, &callbacks->tasklets, &callbacks->rcu,
        &callbacks->irq_works, &callbacks->calls, &callbacks->cpu_offsets, &callbacks->locks,
    };

    callbacks->kernel = kernel;
    callbacks->recall = intro_recall_new(intro_kernel_space(kernel));
    callbacks->unknown = g_ptr_array_new();
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++)
        *places[i] = g_array_new(FALSE, FALSE, sizeof(GuestVa));
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (!kinds[i].find(callbacks, NULL))
            g_ptr_array_add(callbacks->unknown, (gpointer) kinds[i].plural);
    return callbacks;
}

void
intro_callbacks_free(IntroCallbacks *callbacks)
{
    if (callbacks == NULL)
        return;
    g_array_unref(callbacks->timer_bases);
    g_array_unref(callbacks->clocks);
    g_array_unref(callbacks->pools);
    g_array_unref(callbacks->tasklets);
    g_array_unref(callbacks->rcu);
    g_array_unref(callbacks->irq_works);
    g_array_unref(callbacks->calls);
    g_array_unref(callbacks->cpu_offsets);
    g_array_unref(callbacks->locks);
    intro_recall_free(callbacks->recall);
    g_ptr_array_unref(callbacks->unknown);
    g_free(callbacks);
}

const GPtrArray *
intro_callbacks_unknown(const IntroCallbacks *callbacks)
{
    return callbacks->unknown;
}

gboolean
intro_callbacks_find(const IntroCallbacks *callbacks, IntroCallbackFilter filter, gconstpointer data, GArray *found,
                     gboolean *in_motion, GError **error)
{
    g_autoptr(GArray) domains = g_array_new(FALSE, FALSE, sizeof(GuestVa));
    Search search = { callbacks, callbacks->recall, filter, data, found, domains, 0, FALSE };

    intro_recall_begin(callbacks->recall);
    for (guint i = 0; i < callbacks->locks->len; i++)
        if (!look_at_lock(&search, g_array_index(callbacks->locks, GuestVa, i), error))
            return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (!g_ptr_array_find(callbacks->unknown, kinds[i].plural, NULL) && !kinds[i].search(&search, error))
            return FALSE;
    *in_motion = search.in_motion;
    return TRUE;
}
