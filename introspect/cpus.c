/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel keeps for each CPU, and of all of them: that part of kernel.h. */
#include "introspect/kernel.h"

static gboolean
is_possible(const IntroKernel *kernel, guint cpu, gboolean *possible, GError **error)
{
    guint64 word;
    GuestVa mask;

    *possible = cpu < intro_kernel_n_cpus(kernel);
    if (!*possible || !intro_symbols_address(intro_kernel_symbols(kernel), "__cpu_possible_mask", &mask, NULL))
        return TRUE;
    if (!intro_space_read_u64(intro_kernel_space(kernel), mask + cpu / 64 * sizeof word, &word, error))
        return FALSE;
    *possible = (word >> cpu % 64 & 1) != 0;
    return TRUE;
}

gboolean
intro_kernel_percpu(const IntroKernel *kernel, guint cpu, const char *name, GuestVa *va, GError **error)
{
    GuestVa symbol, offsets;
    guint64 offset = 0;
    gboolean possible;

    if (!intro_symbols_address(intro_kernel_symbols(kernel), name, &symbol, error)
        || !is_possible(kernel, cpu, &possible, error))
        return FALSE;
    if (!possible) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND, "the guest's kernel has no CPU %u", cpu);
        return FALSE;
    }
    /* A kernel for one CPU only uses the variables themselves. */
    if (intro_symbols_address(intro_kernel_symbols(kernel), "__per_cpu_offset", &offsets, NULL)
        && !intro_space_read_u64(intro_kernel_space(kernel), offsets + cpu * sizeof offset, &offset, error))
        return FALSE;
    *va = symbol + offset;
    return TRUE;
}

gboolean
intro_kernel_has_cpu_feature(const IntroKernel *kernel, guint feature, gboolean *has, GError **error)
{
    IntroMember words;
    guint32 word;
    GuestVa va;

    if (!intro_symbols_address(intro_kernel_symbols(kernel), "boot_cpu_data", &va, error)
        || !intro_btf_member(intro_kernel_btf(kernel), "cpuinfo_x86", "x86_capability", &words, error))
        return FALSE;
    if (feature / 32 >= words.n_elements) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND, "the guest's kernel knows no CPU feature %u", feature);
        return FALSE;
    }
    if (!intro_space_read_u32(intro_kernel_space(kernel), va + words.offset_bits / 8 + feature / 32 * sizeof word,
                              &word, error))
        return FALSE;
    *has = (word >> feature % 32 & 1) != 0;
    return TRUE;
}
