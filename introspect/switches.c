/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/switches.h"

#include <string.h>

#include "introspect/stack.h"

#define SWITCHING_FUNCTION "__schedule"
#define FLAG_INTERRUPTS (1u << 9)
#define COUNTERS_OF_TASK 2

struct IntroSwitches {
    const IntroKernel *kernel;
    GArray *places;             /* of GuestPa: the CPUs' counters, and then the tasks' */
    guint n_cpus;
    gboolean is_known;          /* where CPUs switch, and count it */
    gboolean has_begun;         /* and could be told */
    guint64 first;              /* how many of the CPUs' switches were not those of the tasks, at the first moment */
};

void
intro_switches_free(IntroSwitches *switches)
{
    if (switches == NULL)
        return;
    g_array_unref(switches->places);
    g_free(switches);
}

/* FALSE if it cannot be told where all CPUs count their switches, and where in the code they do. */
static gboolean
find_counters(IntroSwitches *switches)
{
    const IntroKernel *kernel = switches->kernel;
    g_autoptr(GArray) queues = intro_kernel_percpu_copies(kernel, "runqueues", NULL);
    GuestVa function;
    gsize count;

    if (queues == NULL || !intro_btf_offset(intro_kernel_btf(kernel), "rq", "nr_switches", &count, NULL)
        || !intro_symbols_address(intro_kernel_symbols(kernel), SWITCHING_FUNCTION, &function, NULL))
        return FALSE;
    for (guint i = 0; i < queues->len; i++) {
        IntroMapping mapping;

        if (!intro_space_translate(intro_kernel_space(kernel), g_array_index(queues, GuestVa, i) + count, &mapping, NULL))
            return FALSE;
        g_array_append_val(switches->places, mapping.pa);
    }
    switches->n_cpus = queues->len;
    return TRUE;
}

IntroSwitches *
intro_switches_new(const IntroKernel *kernel)
{
    IntroSwitches *switches = g_new0(IntroSwitches, 1);

    switches->kernel = kernel;
    switches->places = g_array_new(FALSE, FALSE, sizeof(GuestPa));
    switches->is_known = find_counters(switches);
    return switches;
}

void
intro_switches_add(IntroSwitches *switches, GuestPa voluntary, GuestPa involuntary)
{
    const GuestPa counters[COUNTERS_OF_TASK] = { voluntary, involuntary };

    g_array_append_vals(switches->places, counters, COUNTERS_OF_TASK);
}

/* Sums that have wrapped differ by the same as others. */
static gboolean
read_difference(const IntroSwitches *switches, guint64 *difference, GError **error)
{
    guint n = switches->places->len;
    g_autofree guint64 *counts = g_new(guint64, n);
    g_autofree VmmExtent *extents = g_new(VmmExtent, n);

    for (guint i = 0; i < n; i++)
        extents[i] = (VmmExtent) { g_array_index(switches->places, GuestPa, i), &counts[i], sizeof counts[i] };
    if (!vmm_read_extents(intro_kernel_reader(switches->kernel), extents, n, error))
        return FALSE;
    *difference = 0;
    for (guint i = 0; i < n; i++)
        *difference += i < switches->n_cpus ? GUINT64_FROM_LE(counts[i]) : -GUINT64_FROM_LE(counts[i]);
    return TRUE;
}

/* The compiler's parts of it (.cold, .constprop.0) are meant too. */
static gboolean
is_switching(const IntroKernel *kernel, GuestVa va)
{
    const IntroSymbol *symbol = intro_symbols_at(intro_kernel_symbols(kernel), va, NULL);

    return symbol != NULL && symbol->module == NULL
           && strcspn(symbol->name, ".") == strlen(SWITCHING_FUNCTION)
           && g_str_has_prefix(symbol->name, SWITCHING_FUNCTION);
}

/* Of the two counters, a vCPU that is in there may have come to one only. */
static gboolean
is_in_switch(const IntroKernel *kernel, const VmmVcpu *vcpu)
{
    g_autoptr(IntroStack) stack = NULL;

    if (vmm_vcpu_in_user_mode(vcpu) || (vcpu->eflags & FLAG_INTERRUPTS) != 0)
        return FALSE;
    stack = intro_stack_of_vcpu(kernel, vcpu, NULL);
    for (guint i = 0; stack != NULL && i < stack->frames->len; i++)
        if (is_switching(kernel, g_array_index(stack->frames, IntroFrame, i).pc))
            return TRUE;
    return stack == NULL;
}

static gboolean
any_in_switch(const IntroKernel *kernel, const VmmVcpu *vcpus, guint n_vcpus)
{
    for (guint i = 0; i < n_vcpus; i++)
        if (is_in_switch(kernel, &vcpus[i]))
            return TRUE;
    return FALSE;
}

gboolean
intro_switches_begin(IntroSwitches *switches, const VmmVcpu *vcpus, guint n_vcpus, GError **error)
{
    switches->has_begun = switches->is_known && !any_in_switch(switches->kernel, vcpus, n_vcpus);
    return !switches->has_begun || read_difference(switches, &switches->first, error);
}

gboolean
intro_switches_account(const IntroSwitches *switches, const VmmVcpu *vcpus, guint n_vcpus, gboolean *all, GError **error)
{
    guint64 now;

    *all = FALSE;
    if (!switches->has_begun || any_in_switch(switches->kernel, vcpus, n_vcpus))
        return TRUE;
    if (!read_difference(switches, &now, error))
        return FALSE;
    *all = now == switches->first;
    return TRUE;
}
