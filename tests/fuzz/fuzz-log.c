/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's log, and what its CPUs count, in a real guest's damaged memory.
 */
#include "introspect/log.h"
#include "introspect/pulse.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/recorded.h"

#define SOME 32     /* records: each costs time, and they are all alike */

static void
look(const VmmReader *reader, const IntroKernel *kernel)
{
    guint64 next = 0;
    gboolean has_log = intro_log_next_sequence(kernel, &next, NULL);
    g_autoptr(GPtrArray) records = has_log ? intro_log_read(kernel, next - MIN(next, SOME), NULL) : NULL;
    g_autoptr(IntroPulse) pulse = intro_pulse_new(kernel, NULL);
    GuestVa task;
    guint cpu;

    for (guint i = 0; records != NULL && i < records->len; i++)
        intro_log_is_alarm(records->pdata[i]);
    if (pulse != NULL && intro_pulse_look(pulse, NULL))
        intro_pulse_stillness(pulse, &cpu, &task);
}

void
fuzz(const guint8 *data, gsize size)
{
    recorded_fuzz(look, data, size);
}
