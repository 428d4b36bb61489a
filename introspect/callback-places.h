/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the guest's kernel keeps what it is to call later; private to callbacks.c.
 */
#ifndef INTROSPECT_CALLBACK_PLACES_H
#define INTROSPECT_CALLBACK_PLACES_H

#include "introspect/callbacks.h"
#include "introspect/recall.h"

/* Elements of one table, at most. */
#define INTRO_MAX_CALLBACK_HEADS 4096

/* Objects that are linked: where in them the link is, and another word. */
typedef struct {
    gsize link, word;
} IntroLinked;

/*
 * Nothing lists the SRCU domains, most of which are part of other objects. But one that has callbacks waits for something itself:
 * for the work item that ends its grace period, or for the irq work item that is to queue that; or, of one CPU, for the work item that
 * calls those that are due, or for the timer that is to queue that.
 */
typedef struct {
    GuestVa ends, begins, calls, queues;    /* their functions, in that order; BEGINS: 0 where there is none */
    gsize end_work, begin_work;             /* in a struct srcu_usage, or where there is none, in the struct srcu_struct */
    gboolean is_apart;
    gsize owner;                            /* if so: the srcu_struct of a srcu_usage */
    gsize areas;                            /* of a srcu_struct: per CPU, a struct srcu_data */
    gsize call_work, timer, domain, list;   /* in a srcu_data */
    gsize lock;
    gboolean has_lock;
} IntroSrcuPlaces;

struct IntroCallbacks {
    const IntroKernel *kernel;
    IntroRecall *recall;
    GPtrArray *unknown;                                 /* of char *, static */
    GArray *timer_bases, *clocks, *pools, *tasklets, *rcu, *irq_works, *calls;      /* of GuestVa */
    IntroLinked timer, hrtimer, work, worker, queue, pool_of_queue, unbound_pool, tasklet, rcu_head, irq_work, call;
    gsize vectors, delayed_timer, delayed_work, delayed_function;
    guint n_vectors, n_unbound_pools;
    GuestVa delays, unbound_pools, queues;              /* delays: the function of a timer that a work item waits for */
    gsize clock_root, left, right, worklist, workers, scheduled, current_work, queue_pools, waiting;
    IntroSrcuPlaces srcu;                                    /* nothing but zeros where they are unknown */
    GArray *cpu_offsets;                                /* of guint64: what is added to a per-CPU pointer, for each possible CPU */
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
gboolean intro_callback_places_irq_works(IntroCallbacks *callbacks, GError **error);
gboolean intro_callback_places_srcu(IntroCallbacks *callbacks, GError **error);

#endif
