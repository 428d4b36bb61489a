/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands in for introspect/kernel.c where a test needs no more of a kernel than memory, symbols and types of its own making.
 * To be the first member of a test's fixture.
 */
#ifndef TESTS_INTROSPECT_FAKE_KERNEL_H
#define TESTS_INTROSPECT_FAKE_KERNEL_H

#include "introspect/kernel.h"
#include "tests/fake-guest.h"

/* Of the numbers of its CPUs, the second is not possible. */
#define FAKE_N_CPUS 3

struct IntroKernel {
    FakeGuest *guest;
    IntroSpace *space;
    IntroSymbols *symbols;      /* the test's to make, and then the kernel's */
    IntroBtf *btf;              /* the same */
};

void fake_kernel_set_up(IntroKernel *kernel, gsize memory_bytes);
void fake_kernel_tear_down(IntroKernel *kernel);

/* Places what tells of the CPUs at VA, a page of its own, and adds symbols of that, and NAME, a per-CPU variable, to GROUP. The
 * first CPU's copy is at FIRST, the last one's DISTANCE behind. */
void fake_kernel_add_cpus(IntroKernel *kernel, IntroSymbolGroup *group, GuestVa va, const char *name, GuestVa first,
                          guint64 distance);

/* Where what lies at VA is in memory. */
GuestPa fake_kernel_pa(const IntroKernel *kernel, GuestVa va);

#endif
