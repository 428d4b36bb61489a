/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/switches.h"

#include <string.h>

#include "introspect/stack.h"
#include "tests/fake-guest.h"
#include "tests/introspect/btf-writer.h"

#define MEMORY_BYTES    (4u << 20)
#define DATA            0xffff888001000000ULL
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

/* Stands in for the real one: just what the code under test asks for. */
struct IntroKernel {
    FakeGuest *guest;
    IntroSpace *space;
    IntroBtf *btf;
    IntroSymbols *symbols;
    FakeData *data;
    IntroSwitches *switches;
    GuestVa caller;             /* on the vCPU's stack */
    VmmVcpu vcpu;
};

typedef IntroKernel Fixture;

const IntroSpace *
intro_kernel_space(const IntroKernel *kernel)
{
    return kernel->space;
}

const IntroBtf *
intro_kernel_btf(const IntroKernel *kernel)
{
    return kernel->btf;
}

const VmmReader *
intro_kernel_reader(const IntroKernel *kernel)
{
    return fake_guest_reader(kernel->guest);
}

guint
intro_kernel_n_cpus(G_GNUC_UNUSED const IntroKernel *kernel)
{
    return 3;
}

/* Of the three CPUs that there may be, the second is not possible. */
gboolean
intro_kernel_percpu(G_GNUC_UNUSED const IntroKernel *kernel, guint cpu, const char *name, GuestVa *va,
                    G_GNUC_UNUSED GError **error)
{
    g_assert_cmpstr(name, ==, "runqueues");
    *va = DATA + G_STRUCT_OFFSET(FakeData, queues) + cpu / 2 * sizeof(FakeQueue);
    return cpu != 1;
}

IntroStack *
intro_stack_of_vcpu(const IntroKernel *kernel, const VmmVcpu *vcpu, G_GNUC_UNUSED GError **error)
{
    IntroStack *stack = g_new0(IntroStack, 1);
    const IntroFrame frames[] = { { vcpu->rip, FALSE, TRUE }, { kernel->caller, TRUE, TRUE } };

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

const IntroSymbols *
intro_kernel_symbols(const IntroKernel *kernel)
{
    return kernel->symbols;
}

static IntroBtf *
make_btf(void)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    g_autoptr(GBytes) section = NULL;
    guint32 u64 = btf_writer_int(writer, "unsigned long", 8);
    const BtfWriterMember members[] = { { "something", u64, 0 }, { "nr_switches", u64, 64 } };

    btf_writer_composite(writer, BTF_STRUCT, "rq", sizeof(FakeQueue), FALSE, members, 2);
    section = btf_writer_finish(writer);
    return intro_btf_new(section, NULL);
}

static IntroSymbols *
make_symbols(void)
{
    static const IntroSymbol symbols[] = {
        { .va = TEXT, .name = "__schedule", .type = 't' },
        { .va = TEXT + 0x100, .name = "__schedule.cold", .type = 't' },
        { .va = TEXT + 0x200, .name = "__schedule_loop", .type = 't' },
    };
    const IntroRegion region = { TEXT, TEXT + 0x300 };
    IntroSymbolGroup *group = intro_symbol_group_new(NULL, NULL);

    g_array_append_vals(group->symbols, symbols, G_N_ELEMENTS(symbols));
    g_array_append_val(group->regions, region);
    return intro_symbols_new(group);
}

static GuestPa
place(const Fixture *fixture, const guint64 *counter)
{
    IntroMapping mapping;

    g_assert_true(intro_space_translate(fixture->space, DATA + ((const guint8 *) counter - (const guint8 *) fixture->data),
                                        &mapping, NULL));
    return mapping.pa;
}

static void
set_up(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    const FakeData start = { { { 0, 1000 }, { 0, 2000 } }, { { 1, 2 }, { 30, 40 }, { 500, 600 } } };
    g_autoptr(GError) error = NULL;

    fixture->guest = fake_guest_new(MEMORY_BYTES, FALSE);
    fixture->space = intro_space_new(fake_guest_reader(fixture->guest), fake_guest_root(fixture->guest), FALSE);
    fixture->data = (FakeData *) fake_guest_place(fixture->guest, DATA, &start, sizeof start, FAKE_WRITABLE);
    fixture->btf = make_btf();
    g_assert_nonnull(fixture->btf);
    fixture->symbols = make_symbols();
    fixture->switches = intro_switches_new(fixture, &error);
    g_assert_no_error(error);
    /* The last task is not known. */
    for (guint i = 0; i + 1 < N_TASKS; i++)
        intro_switches_add(fixture->switches, place(fixture, &fixture->data->tasks[i].voluntary),
                           place(fixture, &fixture->data->tasks[i].involuntary));
    fixture->vcpu = (VmmVcpu) { .rip = ELSEWHERE, .cs = 0x10, .eflags = FLAG_INTERRUPTS };
    fixture->caller = ELSEWHERE;
}

static void
tear_down(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    intro_switches_free(fixture->switches);
    intro_btf_free(fixture->btf);
    intro_symbols_free(fixture->symbols);
    intro_space_free(fixture->space);
    fake_guest_free(fixture->guest);
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

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/switches/known", Fixture, NULL, set_up, test_known, tear_down);
    g_test_add("/switches/unknown", Fixture, NULL, set_up, test_unknown, tear_down);
    g_test_add("/switches/in-switch", Fixture, GINT_TO_POINTER(FALSE), set_up, test_in_switch, tear_down);
    g_test_add("/switches/in-switch/below-an-nmi", Fixture, GINT_TO_POINTER(TRUE), set_up, test_in_switch, tear_down);
    return g_test_run();
}
