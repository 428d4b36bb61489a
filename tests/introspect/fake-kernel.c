/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/introspect/fake-kernel.h"

#define WHERE_THE_SYMBOL_IS 0x1000      /* per-CPU variables' symbols are small numbers */
#define NO_CPU 0xdddddddddddddddd

typedef struct {
    guint64 possible, offsets[FAKE_N_CPUS];
} FakeCpus;

const VmmReader *
intro_kernel_reader(const IntroKernel *kernel)
{
    return fake_guest_reader(kernel->guest);
}

const IntroSpace *
intro_kernel_space(const IntroKernel *kernel)
{
    return kernel->space;
}

const IntroSymbols *
intro_kernel_symbols(const IntroKernel *kernel)
{
    return kernel->symbols;
}

const IntroBtf *
intro_kernel_btf(const IntroKernel *kernel)
{
    return kernel->btf;
}

guint
intro_kernel_n_cpus(G_GNUC_UNUSED const IntroKernel *kernel)
{
    return FAKE_N_CPUS;
}

void
fake_kernel_set_up(IntroKernel *kernel, gsize memory_bytes)
{
    kernel->guest = fake_guest_new(memory_bytes, FALSE);
    kernel->space = intro_space_new(fake_guest_reader(kernel->guest), fake_guest_root(kernel->guest), FALSE);
}

void
fake_kernel_tear_down(IntroKernel *kernel)
{
    intro_btf_free(kernel->btf);
    intro_symbols_free(kernel->symbols);
    intro_space_free(kernel->space);
    fake_guest_free(kernel->guest);
}

void
fake_kernel_add_cpus(IntroKernel *kernel, IntroSymbolGroup *group, GuestVa va, const char *name, GuestVa first,
                     guint64 distance)
{
    const FakeCpus cpus = {
        .possible = 1 << 0 | 1 << 2,
        .offsets = { first - WHERE_THE_SYMBOL_IS, NO_CPU, first - WHERE_THE_SYMBOL_IS + distance },
    };
    const IntroSymbol symbols[] = {
        { .va = WHERE_THE_SYMBOL_IS, .name = name, .type = 'A' },
        { .va = va + G_STRUCT_OFFSET(FakeCpus, possible), .name = "__cpu_possible_mask", .type = 'D' },
        { .va = va + G_STRUCT_OFFSET(FakeCpus, offsets), .name = "__per_cpu_offset", .type = 'D' },
    };

    fake_guest_place(kernel->guest, va, &cpus, sizeof cpus, FAKE_WRITABLE);
    g_array_append_vals(group->symbols, symbols, G_N_ELEMENTS(symbols));
}

GuestPa
fake_kernel_pa(const IntroKernel *kernel, GuestVa va)
{
    IntroMapping mapping;

    g_assert_true(intro_space_translate(kernel->space, va, &mapping, NULL));
    return mapping.pa;
}
