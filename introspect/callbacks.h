/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Functions that the guest's kernel has been told to call later, and has not called yet.
 * Sources: kernel/time/timer.c, kernel/time/hrtimer.c, kernel/workqueue.c, kernel/softirq.c, kernel/irq_work.c, kernel/smp.c and
 * kernel/rcu/ of Linux.
 *
 * Lists come from the guest and may be anything: all of them together are followed for so many steps and no more.
 */
#ifndef INTROSPECT_CALLBACKS_H
#define INTROSPECT_CALLBACKS_H

#include "introspect/kernel.h"

typedef struct IntroCallbacks IntroCallbacks;

typedef struct {
    const char *kind;           /* "timer", "work item" and so on; static */
    GuestVa object;             /* the struct timer_list, struct work_struct and so on */
    GuestVa function;
} IntroCallback;

typedef gboolean (*IntroCallbackFilter)(GuestVa function, gconstpointer data);

/* Finds out where they are. KERNEL is borrowed. */
IntroCallbacks *intro_callbacks_new(const IntroKernel *kernel);
void intro_callbacks_free(IntroCallbacks *callbacks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntroCallbacks, intro_callbacks_free)

/* What the kernel's types and symbols do not tell of that: of char *, as "timers"; owned by CALLBACKS. */
const GPtrArray *intro_callbacks_unknown(const IntroCallbacks *callbacks);

/* Appends to FOUND (of IntroCallback) those whose function FILTER takes. It is true of this moment only if the guest is paused,
 * nobody is in intro_callback_runners, and no CPU is changing the lists, which is what IN_MOTION tells; else lists may come apart
 * while they are followed, which may be an error. INTRO_ERROR_CORRUPT: there are more than can be looked at, or they do not end. What was read is
 * read in one go the next time. */
gboolean intro_callbacks_find(const IntroCallbacks *callbacks, IntroCallbackFilter filter, gconstpointer data, GArray *found,
                              gboolean *in_motion, GError **error);

/* Names of the kernel's functions that take such objects off their lists before they call their functions; ends in NULL. A
 * kernel has some of them, which may have a suffix of the compiler's. */
extern const char *const intro_callback_runners[];

#endif
