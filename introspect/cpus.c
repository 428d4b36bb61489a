/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel keeps for each CPU, and of all of them: that part of kernel.h. */
#include "introspect/kernel.h"

#define MAX_FEATURE_NAME_BYTES 64

/* Whether CPU is in the kernel's mask of that name; a kernel for one CPU only has none, and that CPU is in each. */
static gboolean
is_in_mask(const IntroKernel *kernel, const char *name, guint cpu, gboolean *is_in, GError **error)
{
    guint64 word;
    GuestVa mask;

    *is_in = cpu < intro_kernel_n_cpus(kernel);
    if (!*is_in || !intro_symbols_address(intro_kernel_symbols(kernel), name, &mask, NULL))
        return TRUE;
    if (!intro_space_read_u64(intro_kernel_space(kernel), mask + cpu / 64 * sizeof word, &word, error))
        return FALSE;
    *is_in = (word >> cpu % 64 & 1) != 0;
    return TRUE;
}

static gboolean
is_possible(const IntroKernel *kernel, guint cpu, gboolean *possible, GError **error)
{
    return is_in_mask(kernel, "__cpu_possible_mask", cpu, possible, error);
}

gboolean
intro_kernel_cpu_is_online(const IntroKernel *kernel, guint cpu, gboolean *online, GError **error)
{
    return is_in_mask(kernel, "__cpu_online_mask", cpu, online, error);
}

gboolean
intro_kernel_percpu_offset(const IntroKernel *kernel, guint cpu, guint64 *offset, GError **error)
{
    GuestVa offsets;
    gboolean possible;

    *offset = 0;
    if (!is_possible(kernel, cpu, &possible, error))
        return FALSE;
    if (!possible) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND, "the guest's kernel has no CPU %u", cpu);
        return FALSE;
    }
    /* A kernel for one CPU only uses the variables themselves. */
    return !intro_symbols_address(intro_kernel_symbols(kernel), "__per_cpu_offset", &offsets, NULL)
           || intro_space_read_u64(intro_kernel_space(kernel), offsets + cpu * sizeof *offset, offset, error);
}

gboolean
intro_kernel_percpu(const IntroKernel *kernel, guint cpu, const char *name, GuestVa *va, GError **error)
{
    GuestVa symbol;
    guint64 offset;

    if (!intro_symbols_address(intro_kernel_symbols(kernel), name, &symbol, error)
        || !intro_kernel_percpu_offset(kernel, cpu, &offset, error))
        return FALSE;
    *va = symbol + offset;
    return TRUE;
}

GArray *
intro_kernel_percpu_copies(const IntroKernel *kernel, const char *name, GError **error)
{
    g_autoptr(GArray) copies = g_array_new(FALSE, FALSE, sizeof(GuestVa));

    for (guint cpu = 0; cpu < intro_kernel_n_cpus(kernel); cpu++) {
        gboolean possible;
        GuestVa va;

        if (!is_possible(kernel, cpu, &possible, error))
            return NULL;
        if (!possible)
            continue;
        if (!intro_kernel_percpu(kernel, cpu, name, &va, error))
            return NULL;
        g_array_append_val(copies, va);
    }
    if (copies->len > 0)
        return g_steal_pointer(&copies);
    g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the guest's kernel claims to have no CPU");
    return NULL;
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

/* x86_cap_flags[] has the features' names by their numbers; what follows the features proper, bugs, are in a table of
 * their own. */
char **
intro_kernel_cpu_feature_names(const IntroKernel *kernel)
{
    const IntroSymbols *symbols = intro_kernel_symbols(kernel);
    const IntroSpace *space = intro_kernel_space(kernel);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const IntroSymbol *symbol;
    GuestVa table;
    gboolean has;

    if (!intro_symbols_address(symbols, "x86_cap_flags", &table, NULL)
        || (symbol = intro_symbols_at(symbols, table, NULL)) == NULL)
        return NULL;
    for (guint i = 0; i < symbol->size / (32 * sizeof(guint64)) * 32; i++) {
        GuestVa va;
        char *name;

        if (!intro_kernel_has_cpu_feature(kernel, i, &has, NULL))
            break;
        if (has && intro_space_read_u64(space, table + i * sizeof va, &va, NULL) && va != 0
            && (name = intro_space_read_string(space, va, MAX_FEATURE_NAME_BYTES, NULL)) != NULL)
            g_ptr_array_add(names, name);
    }
    g_ptr_array_add(names, NULL);
    return (char **) g_ptr_array_free(g_steal_pointer(&names), FALSE);
}
