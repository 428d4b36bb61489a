/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of tasks, and which of them have run, in a real guest's damaged memory.
 */
#include "introspect/task-watch.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/recorded.h"

static void
look(const VmmReader *reader, const IntroKernel *kernel)
{
    g_autoptr(GPtrArray) tasks = intro_tasks(kernel, NULL);
    g_autoptr(IntroTaskWatch) watch = intro_task_watch_new(kernel, NULL);
    g_autoptr(GArray) ran = g_array_new(FALSE, FALSE, sizeof(GuestVa));
    gboolean may_be_more;

    if (tasks == NULL || watch == NULL)
        return;
    for (guint i = 0; i < tasks->len; i++)
        if (i % 3 != 0)
            intro_task_watch_add(watch, tasks->pdata[i], NULL);
        else
            intro_task_watch_add_restless(watch, tasks->pdata[i], NULL);
    intro_task_watch_look(watch, NULL, 0, ran, &may_be_more, NULL);
    if (intro_task_watch_narrow(watch, NULL) && intro_task_watch_begin(watch, NULL, 0, NULL) &&
        intro_task_watch_confirm(watch, NULL))
        intro_task_watch_look(watch, NULL, 0, ran, &may_be_more, NULL);
}

void
fuzz(const guint8 *data, gsize size)
{
    recorded_fuzz(look, data, size);
}
