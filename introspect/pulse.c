/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/pulse.h"

#include <string.h>

#include "introspect/stack-facts.h"
#include "introspect/vcpus.h"

#define MAX_TIMES 64

typedef struct {
    guint number;
    GuestVa times, switches, idle_task;     /* where it counts; which task it is at when it has nothing to do */
    guint64 count;                          /* at the last look */
    GuestVa task;
    gint64 still_since, looked_at;          /* monotonic, us */
} Cpu;

struct IntroPulse {
    const IntroKernel *kernel;
    guint n_times;
    GArray *cpus;           /* of Cpu */
};

/* The sum of what it counts, which only ever grows. */
static gboolean
read_count(const IntroPulse *pulse, const Cpu *cpu, guint64 *count, GError **error)
{
    guint64 times[MAX_TIMES], switches;
    const IntroExtent extents[] = {
        { cpu->times, times, pulse->n_times * sizeof *times },
        { cpu->switches, &switches, sizeof switches },
    };

    if (!intro_space_read_extents(intro_kernel_space(pulse->kernel), extents, G_N_ELEMENTS(extents), error))
        return FALSE;
    *count = GUINT64_FROM_LE(switches);
    for (guint i = 0; i < pulse->n_times; i++)
        *count += GUINT64_FROM_LE(times[i]);
    return TRUE;
}

static gboolean
look_at(const IntroPulse *pulse, Cpu *cpu, GError **error)
{
    guint64 count;

    if (!read_count(pulse, cpu, &count, error)
        || !intro_cpu_current_task(pulse->kernel, cpu->number, &cpu->task, error))
        return FALSE;
    cpu->looked_at = g_get_monotonic_time();
    if (cpu->still_since == 0 || count != cpu->count || cpu->task == cpu->idle_task)
        cpu->still_since = cpu->looked_at;
    cpu->count = count;
    return TRUE;
}

static gboolean
add_cpu(IntroPulse *pulse, guint number, gsize times, gsize switches, gsize idle, GError **error)
{
    const IntroSpace *space = intro_kernel_space(pulse->kernel);
    Cpu cpu = { .number = number };
    GuestVa runqueue, stat;

    if (!intro_kernel_percpu(pulse->kernel, number, "runqueues", &runqueue, error)
        || !intro_kernel_percpu(pulse->kernel, number, "kernel_cpustat", &stat, error)
        || !intro_space_read_u64(space, runqueue + idle, &cpu.idle_task, error))
        return FALSE;
    cpu.times = stat + times;
    cpu.switches = runqueue + switches;
    if (!look_at(pulse, &cpu, error))
        return FALSE;
    g_array_append_val(pulse->cpus, cpu);
    return TRUE;
}

static gboolean
add_cpus(IntroPulse *pulse, GError **error)
{
    const IntroBtf *btf = intro_kernel_btf(pulse->kernel);
    const IntroStackFacts *facts = intro_kernel_stack_facts(pulse->kernel, error);
    IntroMember times;
    gsize switches, idle;

    if (facts == NULL || !intro_btf_member(btf, "kernel_cpustat", "cpustat", &times, error)
        || !intro_btf_offset(btf, "rq", "nr_switches", &switches, error)
        || !intro_btf_offset(btf, "rq", "idle", &idle, error))
        return FALSE;
    pulse->n_times = MIN(times.n_elements, MAX_TIMES);
    for (guint i = 0; i < facts->cpus->len; i++) {
        const IntroCpu *cpu = facts->cpus->pdata[i];
        gboolean online;

        if (!intro_kernel_cpu_is_online(pulse->kernel, cpu->number, &online, error)
            || (online && !add_cpu(pulse, cpu->number, times.offset_bits / 8, switches, idle, error)))
            return FALSE;
    }
    return TRUE;
}

IntroPulse *
intro_pulse_new(const IntroKernel *kernel, GError **error)
{
    g_autoptr(IntroPulse) pulse = g_new0(IntroPulse, 1);

    pulse->kernel = kernel;
    pulse->cpus = g_array_new(FALSE, FALSE, sizeof(Cpu));
    return add_cpus(pulse, error) ? g_steal_pointer(&pulse) : NULL;
}

void
intro_pulse_free(IntroPulse *pulse)
{
    if (pulse == NULL)
        return;
    g_array_unref(pulse->cpus);
    g_free(pulse);
}

gboolean
intro_pulse_look(IntroPulse *pulse, GError **error)
{
    for (guint i = 0; i < pulse->cpus->len; i++)
        if (!look_at(pulse, &g_array_index(pulse->cpus, Cpu, i), error))
            return FALSE;
    return TRUE;
}

gint64
intro_pulse_stillness(const IntroPulse *pulse, guint *cpu, GuestVa *task)
{
    gint64 longest = 0;

    for (guint i = 0; i < pulse->cpus->len; i++) {
        const Cpu *each = &g_array_index(pulse->cpus, Cpu, i);
        const gint64 still = each->looked_at - each->still_since;

        if (still < longest)
            continue;
        longest = still;
        *cpu = each->number;
        *task = each->task;
    }
    return longest;
}
