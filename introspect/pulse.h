/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Do the guest's CPUs still move? A CPU that has something to do takes the timer's ticks and changes from task to task,
 * and counts both; one that has nothing to do need not, for as long as it likes. So a CPU has stood still since it was
 * last seen to have counted, or to be idle. Only those that are online when this begins are looked at.
 * Sources: kernel/sched/cputime.c (kernel_cpustat) and kernel/sched/sched.h (struct rq) of Linux.
 */
#ifndef INTROSPECT_PULSE_H
#define INTROSPECT_PULSE_H

#include "introspect/kernel.h"

typedef struct IntroPulse IntroPulse;

/* Looks for the first time. KERNEL is borrowed. */
IntroPulse *intro_pulse_new(const IntroKernel *kernel, GError **error);
void intro_pulse_free(IntroPulse *pulse);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntroPulse, intro_pulse_free)

/* Looks again. */
gboolean intro_pulse_look(IntroPulse *pulse, GError **error);

/* For how long (us), at the last look, the CPU had stood still that had done so for longest; which one that is, and the
 * task that it is at. */
gint64 intro_pulse_stillness(const IntroPulse *pulse, guint *cpu, GuestVa *task);

#endif
