/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which tasks have run since they were seen asleep? Every switch away from a task counts in its task_struct, so one short
 * read of each, all in one go, tells; and the kernel counts its forks, which tells whether there are new tasks.
 */
#ifndef INTROSPECT_TASK_WATCH_H
#define INTROSPECT_TASK_WATCH_H

#include "introspect/tasks.h"

typedef struct IntroTaskWatch IntroTaskWatch;

/* Watches no task yet, and for new tasks from this moment on. KERNEL is borrowed. */
IntroTaskWatch *intro_task_watch_new(const IntroKernel *kernel, GError **error);
void intro_task_watch_free(IntroTaskWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntroTaskWatch, intro_task_watch_free)

/* TASK was seen asleep. */
gboolean intro_task_watch_add(IntroTaskWatch *watch, const IntroTask *task, GError **error);

/*
 * Appends to RAN (of GuestVa) the tasks that have run since they were added. *MAY_BE_MORE: there may be tasks that are
 * not watched, since one was forked or the kernel does not tell. True of one moment only if the guest is paused.
 */
gboolean intro_task_watch_look(const IntroTaskWatch *watch, GArray *ran, gboolean *may_be_more, GError **error);

#endif
