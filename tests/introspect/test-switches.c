/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/switches.h"

#include <string.h>

#include "introspect/stack.h"
#include "tests/introspect/btf-writer.h"
#include "tests/introspect/fake-kernel.h"

#define MEMORY_BYTES    (4u << 20)
#define DATA            0xffff888001000000ULL
#define CPUS            0xffff888002000000ULL
#define N_TASKS         3
#define TEXT            0xffffffff81000000ULL
#define SCHEDULE        (TEXT + 0x110)      /* in a part of it */
#define ELSEWHERE       (TEXT + 0x210)
#define FLAG_INTERRUPTS (1u << 9)

typedef struct {
    guint64 something, nr_switches;
} FakeQueue;

typedef struct {
    FakeQueue queues[2];
    struct { guint64 voluntary, involuntary; } tasks[N_TASKS];
} FakeData;

typedef struct {
    IntroKernel kernel;
    FakeData *data;
    IntroSwitches *switches;
    GuestVa caller;             /* on the vCPU's stack */
    VmmVcpu vcpu;
} Fixture;

IntroStack *
intro_stack_of_vcpu(const IntroKernel *kernel, const VmmVcpu *vcpu, G_GNUC_UNUSED GError **error)
{
    IntroStack *stack = g_new0(IntroStack, 1);
    const Fixture *fixture = (const Fixture *) kernel;
    const IntroFrame frames[] = { { vcpu->rip, FALSE, TRUE }, { fixture->caller, TRUE, TRUE } };

    stack->frames = g_array_new(FALSE, FALSE, sizeof(IntroFrame));
    g_array_append_vals(stack->frames, frames, G_N_ELEMENTS(frames));
    return stack;
}

void
intro_stack_free(IntroStack *stack)
{
    g_array_unref(stack->frames);
    g_free(stack);
}

/* What a kernel may lack. */
#define NO_COUNT     "nr_switches"
#define NO_QUEUES    "runqueues"
#define NO_SWITCHING "__schedule"

static IntroBtf *
make_btf(gboolean has_count)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    g_autoptr(GBytes) section = NULL;
    guint32 u64 = btf_writer_int(writer, "unsigned long", 8);
    const BtfWriterMember members[] = { { "something", u64, 0 }, { "nr_switches", u64, 64 } };

    btf_writer_composite(writer, BTF_STRUCT, "rq", sizeof(FakeQueue), FALSE, members, has_count ? 2 : 1);
    section = btf_writer_finish(writer);
    return intro_btf_new(section, NULL);
}

static IntroSymbols *
make_symbols(Fixture *fixture, gboolean has_queues, gboolean has_switching)
{
    static const IntroSymbol symbols[] = {
        { .va = TEXT, .name = "__schedule", .type = 't' },
        { .va = TEXT + 0x100, .name = "__schedule.cold", .type = 't' },
        { .va = TEXT + 0x200, .name = "__schedule_loop", .type = 't' },
    };
    const IntroRegion region = { TEXT, TEXT + 0x300 };
    IntroSymbolGroup *group = intro_symbol_group_new(NULL, NULL);

    fake_kernel_add_cpus(&fixture->kernel, group, CPUS, has_queues ? "runqueues" : "other", DATA, sizeof(FakeQueue));
    g_array_append_vals(group->symbols, has_switching ? &symbols[0] : &symbols[1], has_switching ? 3 : 2);
    g_array_append_val(group->regions, region);
    return intro_symbols_new(group);
}

static GuestPa
place(const Fixture *fixture, const guint64 *counter)
{
    return fake_kernel_pa(&fixture->kernel, DATA + ((const guint8 *) counter - (const guint8 *) fixture->data));
}

static void
set_up(Fixture *fixture, gconstpointer lacks)
{
    const FakeData start = { { { 0, 1000 }, { 0, 2000 } }, { { 1, 2 }, { 30, 40 }, { 500, 600 } } };

    G_STATIC_ASSERT(G_STRUCT_OFFSET(FakeData, queues) == 0);
    fake_kernel_set_up(&fixture->kernel, MEMORY_BYTES);
    fixture->data = (FakeData *) fake_guest_place(fixture->kernel.guest, DATA, &start, sizeof start, FAKE_WRITABLE);
    fixture->kernel.btf = make_btf(g_strcmp0(lacks, NO_COUNT) != 0);
    fixture->kernel.symbols = make_symbols(fixture, g_strcmp0(lacks, NO_QUEUES) != 0, g_strcmp0(lacks, NO_SWITCHING) != 0);
    fixture->switches = intro_switches_new(&fixture->kernel);
    /* The last task is not known. */
    for (guint i = 0; i + 1 < N_TASKS; i++)
        intro_switches_add(fixture->switches, place(fixture, &fixture->data->tasks[i].voluntary),
                           place(fixture, &fixture->data->tasks[i].involuntary));
    fixture->vcpu = (VmmVcpu) { .rip = ELSEWHERE, .cs = 0x10, .eflags = FLAG_INTERRUPTS };
    fixture->caller = ELSEWHERE;
}

static void
tear_down(Fixture *fixture, G_GNUC_UNUSED gconstpointer lacks)
{
    intro_switches_free(fixture->switches);
    fake_kernel_tear_down(&fixture->kernel);
}

static void
begin(Fixture *fixture)
{
    g_assert_true(intro_switches_begin(fixture->switches, &fixture->vcpu, 1, NULL));
}

static gboolean
all_accounted(Fixture *fixture)
{
    gboolean all;

    g_assert_true(intro_switches_account(fixture->switches, &fixture->vcpu, 1, &all, NULL));
    return all;
}

static void
run_task(Fixture *fixture, guint cpu, guint task, gboolean is_voluntary)
{
    fixture->data->queues[cpu].nr_switches++;
    if (is_voluntary)
        fixture->data->tasks[task].voluntary++;
    else
        fixture->data->tasks[task].involuntary++;
}

static void
test_known(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    begin(fixture);
    g_assert_true(all_accounted(fixture));
    for (guint i = 0; i < 100; i++)
        run_task(fixture, i % 2, i / 2 % 2, i % 3 == 0);
    g_assert_true(all_accounted(fixture));
}

static void
test_unknown(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    begin(fixture);
    run_task(fixture, 1, 0, TRUE);
    run_task(fixture, 1, N_TASKS - 1, TRUE);
    run_task(fixture, 1, 0, FALSE);
    g_assert_false(all_accounted(fixture));
    run_task(fixture, 0, N_TASKS - 1, FALSE);
    g_assert_false(all_accounted(fixture));
}

/* Between its two counts, nothing is said, at either end: neither directly there nor in an NMI on top. */
static void
test_in_switch(Fixture *fixture, gconstpointer is_on_top)
{
    GuestVa *place_of_switch = is_on_top ? &fixture->caller : &fixture->vcpu.rip;

    fixture->vcpu.eflags = 0;
    *place_of_switch = SCHEDULE;
    begin(fixture);
    *place_of_switch = ELSEWHERE;
    g_assert_false(all_accounted(fixture));

    begin(fixture);
    g_assert_true(all_accounted(fixture));
    *place_of_switch = SCHEDULE;
    g_assert_false(all_accounted(fixture));
    fixture->vcpu.eflags = FLAG_INTERRUPTS;
    g_assert_true(all_accounted(fixture));
    fixture->vcpu = (VmmVcpu) { .rip = SCHEDULE, .cs = 0x33 };
    g_assert_true(all_accounted(fixture));
}

/* Nor of a kernel that does not say where it counts, or where it switches. */
static void
test_lacking(Fixture *fixture, G_GNUC_UNUSED gconstpointer lacks)
{
    begin(fixture);
    g_assert_false(all_accounted(fixture));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/switches/known", Fixture, NULL, set_up, test_known, tear_down);
    g_test_add("/switches/unknown", Fixture, NULL, set_up, test_unknown, tear_down);
    g_test_add("/switches/in-switch", Fixture, NULL, set_up, test_in_switch, tear_down);
    g_test_add("/switches/in-switch/below-an-nmi", Fixture, "on top", set_up, test_in_switch, tear_down);
    g_test_add("/switches/lacking/count", Fixture, NO_COUNT, set_up, test_lacking, tear_down);
    g_test_add("/switches/lacking/queues", Fixture, NO_QUEUES, set_up, test_lacking, tear_down);
    g_test_add("/switches/lacking/switching-function", Fixture, NO_SWITCHING, set_up, test_lacking, tear_down);
    return g_test_run();
}
