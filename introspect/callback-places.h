/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the guest's kernel keeps what it is to call later; private to callbacks.c.
 */
#ifndef INTROSPECT_CALLBACK_PLACES_H
#define INTROSPECT_CALLBACK_PLACES_H

#include "introspect/callbacks.h"

/* Elements of one table, at most. */
#define INTRO_MAX_CALLBACK_HEADS 4096

/* Objects that are linked: where in them the link is, and another word. */
typedef struct {
    gsize link, word;
} Linked;

struct IntroCallbacks {
    const IntroKernel *kernel;
    GPtrArray *unknown;                                 /* of char *, static */
    GArray *timer_bases, *clocks, *pools, *tasklets, *rcu;      /* of GuestVa */
    Linked timer, hrtimer, work, worker, queue, pool_of_queue, unbound_pool, tasklet, rcu_head;
    gsize vectors, delayed_timer, delayed_work, delayed_function;
    guint n_vectors, n_unbound_pools;
    GuestVa delays, unbound_pools, queues;              /* delays: the function of a timer that a work item waits for */
    gsize clock_root, left, right, worklist, workers, scheduled, queue_pools, waiting;
    GArray *locks;                                      /* of GuestVa: held by whoever changes lists, but for those of pools */
    gsize pool_lock;
    gboolean has_pool_lock;                             /* a kernel for one CPU has no such locks */
};

/* Each finds what there is to know of one kind. INTRO_ERROR_NOT_FOUND: the kernel's types or symbols do not tell. */
gboolean intro_callback_places_timers(IntroCallbacks *callbacks, GError **error);
gboolean intro_callback_places_hrtimers(IntroCallbacks *callbacks, GError **error);
gboolean intro_callback_places_works(IntroCallbacks *callbacks, GError **error);
gboolean intro_callback_places_tasklets(IntroCallbacks *callbacks, GError **error);
gboolean intro_callback_places_rcu(IntroCallbacks *callbacks, GError **error);

#endif
