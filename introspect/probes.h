/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What else in the guest's kernel watches or replaces its functions: kprobes, and the kernel's own livepatches.
 * Sources: include/linux/kprobes.h and kernel/kprobes.c, include/linux/livepatch.h and kernel/livepatch/core.c of Linux.
 */
#ifndef INTROSPECT_PROBES_H
#define INTROSPECT_PROBES_H

#include "introspect/kernel.h"

/* Where kprobes are, whether they are switched on or not: array of GuestVa, to be unreffed. */
GArray *intro_kprobes(const IntroKernel *kernel, GError **error);

/* The kernel's table of kprobes, which changes whenever one comes or goes: its address and bytes, to be unreffed; NULL
 * without an error if the kernel has no kprobes. */
GBytes *intro_kprobes_table(const IntroKernel *kernel, GuestVa *va, GError **error);

/* A function that an enabled livepatch of the guest's own replaces. */
typedef struct {
    GuestVa function;
    char *patch;                /* its module */
} IntroLivepatched;

/* Of IntroLivepatched, to be unreffed. */
GArray *intro_livepatched(const IntroKernel *kernel, GError **error);

#endif
