/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Has any task been on a CPU between two moments, but for some that are known? Each switch of a CPU from one task to another
 * is counted twice, by that CPU's queue and by the task that is left: if the known tasks' switches make up those of all
 * CPUs, nobody else has been switched away from. That takes a few reads, however many tasks there are.
 *
 * Source of the knowledge: __schedule() of kernel/sched/core.c of Linux, which counts both with interrupts disabled.
 */
#ifndef INTROSPECT_SWITCHES_H
#define INTROSPECT_SWITCHES_H

#include "introspect/kernel.h"
#include "vmm/vcpu.h"

typedef struct IntroSwitches IntroSwitches;

/* Knows no task yet. KERNEL is borrowed; of one that does not say where it counts, nothing can be told. */
IntroSwitches *intro_switches_new(const IntroKernel *kernel);
void intro_switches_free(IntroSwitches *switches);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntroSwitches, intro_switches_free)

/* A task's two counters. No task may be added twice, and none after the first moment. */
void intro_switches_add(IntroSwitches *switches, GuestPa voluntary, GuestPa involuntary);

/* The first moment: the guest is paused, and these are its vCPUs. */
gboolean intro_switches_begin(IntroSwitches *switches, const VmmVcpu *vcpus, guint n_vcpus, GError **error);

/*
 * Another moment, in another pause. *ALL is TRUE if all switches since the first one were of the tasks that were added. FALSE may
 * also mean that it cannot be told, as when a vCPU stands in the middle of a switch.
 */
gboolean intro_switches_account(const IntroSwitches *switches, const VmmVcpu *vcpus, guint n_vcpus, gboolean *all,
                                GError **error);

#endif
