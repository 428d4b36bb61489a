/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which tasks have run since they were seen asleep? Every switch away from a task counts in its task_struct, so one short
 * read of each, all in one go, tells; and the kernel counts its forks, which tells whether there are new tasks.
 *
 * Of many tasks most are asleep all the time, and even a short read of each takes a while. So in three steps, of which only
 * the second needs the guest to stand still, the watch can find out which ones are not (narrow, begin, confirm); later it
 * reads only those, if they account for all of the CPUs' switches (switches.h).
 */
#ifndef INTROSPECT_TASK_WATCH_H
#define INTROSPECT_TASK_WATCH_H

#include "introspect/tasks.h"
#include "vmm/vcpu.h"

typedef struct IntroTaskWatch IntroTaskWatch;

/* Watches no task yet, and for new tasks from this moment on. KERNEL is borrowed. */
IntroTaskWatch *intro_task_watch_new(const IntroKernel *kernel, GError **error);
void intro_task_watch_free(IntroTaskWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntroTaskWatch, intro_task_watch_free)

/* TASK was seen asleep. */
gboolean intro_task_watch_add(IntroTaskWatch *watch, const IntroTask *task, GError **error);
/* TASK was not, and whoever asks does not need to be told when it has run. */
gboolean intro_task_watch_add_restless(IntroTaskWatch *watch, const IntroTask *task, GError **error);
guint intro_task_watch_n_asleep(const IntroTaskWatch *watch);

gboolean intro_task_watch_narrow(IntroTaskWatch *watch, GError **error);
/* The guest is paused, and these are its vCPUs. */
gboolean intro_task_watch_begin(IntroTaskWatch *watch, const VmmVcpu *vcpus, guint n_vcpus, GError **error);
gboolean intro_task_watch_confirm(IntroTaskWatch *watch, GError **error);

/*
 * In a paused guest with these vCPUs, appends to RAN (of GuestVa) the tasks that may have run since they were added, and
 * none more than once. *MAY_BE_MORE: there may be tasks that are not watched, since one was forked or the kernel does not
 * tell.
 */
gboolean intro_task_watch_look(const IntroTaskWatch *watch, const VmmVcpu *vcpus, guint n_vcpus, GArray *ran,
                               gboolean *may_be_more, GError **error);

#endif
