/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Timers of both kinds, delayed work items, irq work items, and the SRCU callbacks that a timer stands for, in lists and trees that are
 * right, that do not end, and that are none. What else a kernel's types do not tell of is said to be unknown; tests/live/34-hooks.t
 * has all kinds.
 */
#include "introspect/callbacks.h"

#include "tests/introspect/btf-writer.h"
#include "tests/introspect/fake-kernel.h"

#define MEMORY_BYTES    (4u << 20)
#define DATA            0xffff888001000000ULL
#define CPUS            0xffff888002000000ULL
#define TEXT            0xffffffff81000000ULL
#define DELAYS          (TEXT + 16)         /* delayed_work_timer_fn */
#define ENDS            (TEXT + 64)         /* process_srcu */
#define QUEUES          (TEXT + 32)         /* srcu_delay_timer */
#define GOING           0xffff888003000000ULL
#define N_VECTORS       3
#define N_CLOCKS        2

typedef struct {
    guint64 next, something, function;
} FakeTimer;

typedef struct {
    guint64 list, function;
    FakeTimer timer;
} FakeDelayed;

typedef struct {
    guint64 something, function, left, right;
} FakeHrtimer;

typedef struct {
    guint64 next, function;
} FakeHead;

/* What SRCU has of one CPU. */
typedef struct {
    guint64 lock, list, domain;
    FakeTimer timer;
    guint64 work;
} FakeArea;

/* Of one CPU: of a kernel in which all of these are one variable. */
typedef struct {
    guint64 lock, vectors[N_VECTORS], roots[N_CLOCKS], irq_works;
    FakeArea area;
} FakeBase;

typedef struct {
    guint64 areas;
    FakeDelayed work;
} FakeDomain;

typedef struct {
    FakeBase bases[2];
    FakeTimer timers[4];
    FakeDelayed delayed;
    FakeHrtimer hrtimers[4];
    FakeHead heads[4];
    FakeDomain domain;
} FakeData;

typedef struct {
    IntroKernel kernel;
    FakeData *data;
    GuestVa variable;           /* the per-CPU one's symbol */
} Fixture;

static guint32
one_member(BtfWriter *writer, const char *type, gsize size, const char *member, guint32 id, gsize at)
{
    const BtfWriterMember members[] = { { member, id, at * 8 } };

    return btf_writer_composite(writer, BTF_STRUCT, type, size, FALSE, members, 1);
}

static void
write_timers(BtfWriter *writer, guint32 u64)
{
    guint32 entry = one_member(writer, NULL, 16, "next", u64, 0), work = one_member(writer, NULL, 16, "func", u64, 8);
    const BtfWriterMember timer[] = { { "entry", entry, 0 }, { "function", u64, G_STRUCT_OFFSET(FakeTimer, function) * 8 } };
    guint32 list = btf_writer_composite(writer, BTF_STRUCT, "timer_list", sizeof(FakeTimer), FALSE, timer, 2);
    const BtfWriterMember base[] = {
        { "lock", u64, 0 },
        { "vectors", btf_writer_array(writer, u64, N_VECTORS), G_STRUCT_OFFSET(FakeBase, vectors) * 8 },
    };
    const BtfWriterMember delayed[] = { { "work", work, 0 }, { "timer", list, G_STRUCT_OFFSET(FakeDelayed, timer) * 8 } };

    btf_writer_composite(writer, BTF_STRUCT, "delayed_work", sizeof(FakeDelayed), FALSE, delayed, 2);
    btf_writer_composite(writer, BTF_STRUCT, "timer_base", sizeof(FakeBase), FALSE, base, 2);
}

static void
write_hrtimers(BtfWriter *writer, guint32 u64)
{
    const BtfWriterMember links[] = { { "rb_left", u64, 0 }, { "rb_right", u64, 64 } };
    guint32 node = btf_writer_composite(writer, BTF_STRUCT, "rb_node", 16, FALSE, links, 2);
    const BtfWriterMember timer[] = {
        { "function", u64, G_STRUCT_OFFSET(FakeHrtimer, function) * 8 },
        { "node", one_member(writer, NULL, 16, "node", node, 0), G_STRUCT_OFFSET(FakeHrtimer, left) * 8 },
    };
    guint32 root = one_member(writer, NULL, 8, "rb_node", u64, 0), cached = one_member(writer, NULL, 8, "rb_root", root, 0);
    guint32 head = one_member(writer, NULL, 8, "rb_root", cached, 0);
    guint32 clock = one_member(writer, "hrtimer_clock_base", 8, "active", head, 0);

    btf_writer_composite(writer, BTF_STRUCT, "hrtimer", sizeof(FakeHrtimer), FALSE, timer, 2);
    one_member(writer, "hrtimer_cpu_base", sizeof(FakeBase), "clock_base", btf_writer_array(writer, clock, N_CLOCKS),
               G_STRUCT_OFFSET(FakeBase, roots));
}

static guint32
write_node(BtfWriter *writer, guint32 u64)
{
    guint32 list = one_member(writer, NULL, 8, "next", u64, 0);

    return one_member(writer, NULL, 8, "llist", list, 0);
}

static void
write_irq_works(BtfWriter *writer, guint32 u64)
{
    const BtfWriterMember work[] = { { "node", write_node(writer, u64), 0 }, { "func", u64, 64 } };
    const BtfWriterMember call[] = { { "node", write_node(writer, u64), 0 }, { "func", u64, 64 } };

    btf_writer_composite(writer, BTF_STRUCT, "irq_work", sizeof(FakeHead), FALSE, work, 2);
    btf_writer_composite(writer, BTF_STRUCT, "__call_single_data", sizeof(FakeHead), FALSE, call, 2);
    one_member(writer, "llist_head", 8, "first", u64, 0);
}

static void
write_srcu(BtfWriter *writer, guint32 u64)
{
    const BtfWriterMember head[] = { { "next", u64, 0 }, { "func", u64, 64 } };
    guint32 work = one_member(writer, NULL, sizeof(FakeDelayed), "work", u64, 0);
    const BtfWriterMember area[] = {
        { "lock", btf_writer_int(writer, "unsigned int", 4), 0 },
        { "srcu_cblist", one_member(writer, NULL, 8, "head", u64, 0), G_STRUCT_OFFSET(FakeArea, list) * 8 },
        { "ssp", u64, G_STRUCT_OFFSET(FakeArea, domain) * 8 },
        { "delay_work", u64, G_STRUCT_OFFSET(FakeArea, timer) * 8 },
        { "work", u64, G_STRUCT_OFFSET(FakeArea, work) * 8 },
    };
    const BtfWriterMember domain[] = { { "sda", u64, 0 }, { "work", work, G_STRUCT_OFFSET(FakeDomain, work) * 8 } };

    write_timers(writer, u64);
    btf_writer_composite(writer, BTF_STRUCT, "callback_head", sizeof(FakeHead), FALSE, head, 2);
    btf_writer_composite(writer, BTF_STRUCT, "srcu_data", sizeof(FakeArea), FALSE, area, G_N_ELEMENTS(area));
    btf_writer_composite(writer, BTF_STRUCT, "srcu_struct", sizeof(FakeDomain), FALSE, domain, 2);
}

static void
set_up(Fixture *fixture, const char *variable, void (*write)(BtfWriter *writer, guint32 u64))
{
    const IntroSymbol functions[] = {
        { .va = DELAYS, .name = "delayed_work_timer_fn", .type = 't' },
        { .va = QUEUES, .name = "srcu_delay_timer", .type = 't' },
        { .va = QUEUES + 16, .name = "srcu_invoke_callbacks", .type = 't' },
        { .va = ENDS, .name = "process_srcu", .type = 't' },
    };
    IntroSymbol lists[] = { { .name = "raised_list", .type = 'A' }, { .name = "lazy_list", .type = 'A' },
                            { .name = "behind_the_variables", .type = 'A' } };
    IntroSymbolGroup *group = intro_symbol_group_new(NULL, NULL);
    g_autoptr(BtfWriter) writer = btf_writer_new();
    g_autoptr(GBytes) section = NULL;
    g_autoptr(GError) error = NULL;
    const FakeData zeros = { 0 };

    fake_kernel_set_up(&fixture->kernel, MEMORY_BYTES);
    fixture->data = (FakeData *)fake_guest_place(fixture->kernel.guest, DATA, &zeros, sizeof zeros, FAKE_WRITABLE);
    fake_kernel_add_cpus(&fixture->kernel, group, CPUS, variable, DATA, sizeof(FakeBase));
    fixture->variable = g_array_index(group->symbols, IntroSymbol, 0).va;
    lists[0].va = fixture->variable + G_STRUCT_OFFSET(FakeBase, irq_works);
    lists[1].va = fixture->variable + G_STRUCT_OFFSET(FakeBase, area.work);
    lists[2].va = fixture->variable + sizeof(FakeBase);
    g_array_append_vals(group->symbols, lists, G_N_ELEMENTS(lists));
    g_array_append_vals(group->symbols, functions, G_N_ELEMENTS(functions));
    fixture->kernel.symbols = intro_symbols_new(group);
    write(writer, btf_writer_int(writer, "unsigned long", 8));
    section = btf_writer_finish(writer);
    fixture->kernel.btf = intro_btf_new(section, &error);
    g_assert_no_error(error);
}

static void
set_up_timers(Fixture *fixture, gconstpointer data)
{
    set_up(fixture, "timer_bases", write_timers);
}

static void
set_up_hrtimers(Fixture *fixture, gconstpointer data)
{
    set_up(fixture, "hrtimer_bases", write_hrtimers);
}

static void
set_up_srcu(Fixture *fixture, gconstpointer data)
{
    set_up(fixture, "timer_bases", write_srcu);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    fake_kernel_tear_down(&fixture->kernel);
}

static GuestVa
va_of(const Fixture *fixture, const void *at)
{
    return DATA + ((const guint8 *)at - (const guint8 *)fixture->data);
}

static gboolean
is_wanted(GuestVa function, gconstpointer data)
{
    return function >= TEXT + 0x100;
}

static GArray *
find(const Fixture *fixture, GError **error)
{
    g_autoptr(IntroCallbacks) callbacks = intro_callbacks_new(&fixture->kernel);
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(IntroCallback));
    gboolean in_motion;

    if (!intro_callbacks_find(callbacks, is_wanted, NULL, found, &in_motion, error))
        return NULL;
    g_assert_true(in_motion == (fixture->data->bases[0].lock != 0 || fixture->data->bases[1].area.lock != 0));
    return g_steal_pointer(&found);
}

/* That nothing else is found than KIND at OBJECT with FUNCTION. */
static void
assert_one(const Fixture *fixture, const char *kind, GuestVa object, GuestVa function)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) found = find(fixture, &error);
    const IntroCallback *callback;

    g_assert_no_error(error);
    g_assert_cmpuint(found->len, ==, 1);
    callback = &g_array_index(found, IntroCallback, 0);
    g_assert_cmpstr(callback->kind, ==, kind);
    g_assert_cmphex(callback->object, ==, object);
    g_assert_cmphex(callback->function, ==, function);
}

static void
assert_corrupt(const Fixture *fixture, IntroError code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(find(fixture, &error));
    g_assert_error(error, INTRO_ERROR, (gint)code);
}

/* A list of three, of the last CPU's last vector. */
static void
add_timers(Fixture *fixture)
{
    FakeTimer *timers = fixture->data->timers;

    fixture->data->bases[1].vectors[N_VECTORS - 1] = va_of(fixture, &timers[0]);
    for (guint i = 0; i < 2; i++)
        timers[i].next = va_of(fixture, &timers[i + 1]);
    timers[0].function = TEXT;
}

static void
test_timers(Fixture *fixture, gconstpointer data)
{
    add_timers(fixture);
    fixture->data->timers[2].function = TEXT + 0x100;
    assert_one(fixture, "timer", va_of(fixture, &fixture->data->timers[2]), TEXT + 0x100);
}

/* Somebody has a base's lock. */
static void
test_in_motion(Fixture *fixture, gconstpointer data)
{
    fixture->data->bases[0].lock = 1;
    test_timers(fixture, data);
}

static void
test_delayed(Fixture *fixture, gconstpointer data)
{
    FakeDelayed *delayed = &fixture->data->delayed;

    fixture->data->bases[0].vectors[0] = va_of(fixture, &delayed->timer);
    delayed->timer.function = DELAYS;
    delayed->function = TEXT + 0x200;
    assert_one(fixture, "delayed work item", va_of(fixture, delayed), TEXT + 0x200);
}

static void
test_endless_list(Fixture *fixture, gconstpointer data)
{
    add_timers(fixture);
    fixture->data->timers[2].next = va_of(fixture, &fixture->data->timers[1]);
    assert_corrupt(fixture, INTRO_ERROR_CORRUPT);
}

static void
test_no_list(Fixture *fixture, gconstpointer data)
{
    fixture->data->bases[0].vectors[1] = 0x1234;
    assert_corrupt(fixture, INTRO_ERROR_NOT_MAPPED);
}

static GuestVa
node_of(const Fixture *fixture, guint index)
{
    return va_of(fixture, &fixture->data->hrtimers[index].left);
}

static void
add_tree(Fixture *fixture)
{
    FakeHrtimer *timers = fixture->data->hrtimers;

    fixture->data->bases[1].roots[N_CLOCKS - 1] = node_of(fixture, 0);
    timers[0].left = node_of(fixture, 1);
    timers[0].right = node_of(fixture, 2);
    timers[2].left = node_of(fixture, 3);
    timers[3].function = TEXT + 0x300;
}

static void
test_hrtimers(Fixture *fixture, gconstpointer data)
{
    add_tree(fixture);
    assert_one(fixture, "high-resolution timer", va_of(fixture, &fixture->data->hrtimers[3]), TEXT + 0x300);
}

static void
test_no_tree(Fixture *fixture, gconstpointer data)
{
    add_tree(fixture);
    fixture->data->hrtimers[3].function = TEXT;
    fixture->data->hrtimers[3].left = node_of(fixture, 0);
    fixture->data->hrtimers[3].right = node_of(fixture, 0);
    assert_corrupt(fixture, INTRO_ERROR_CORRUPT);
}

/* The same kernel's, each time that it is asked: a callback comes, another is called. */
static void
test_again(Fixture *fixture, gconstpointer data)
{
    g_autoptr(IntroCallbacks) callbacks = intro_callbacks_new(&fixture->kernel);
    FakeTimer *timers = fixture->data->timers;

    add_timers(fixture);
    for (guint round = 0; round < 4; round++) {
        g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(IntroCallback));
        g_autoptr(GError) error = NULL;
        gboolean in_motion;

        timers[1].function = round == 1 ? TEXT + 0x100 : 0;
        timers[1].next = round == 2 ? 0 : va_of(fixture, &timers[2]);
        timers[2].function = TEXT + 0x200;
        intro_callbacks_find(callbacks, is_wanted, NULL, found, &in_motion, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(found->len, ==, round == 1 ? 2 : round == 2 ? 0 : 1);
    }
}

/* What was on a list before, and is not mapped any more, is nobody's business. */
static void
test_gone(Fixture *fixture, gconstpointer data)
{
    g_autoptr(IntroCallbacks) callbacks = intro_callbacks_new(&fixture->kernel);
    const FakeTimer timer = { .function = TEXT + 0x100 };

    fake_guest_place(fixture->kernel.guest, GOING, &timer, sizeof timer, FAKE_WRITABLE);
    fixture->data->bases[0].vectors[0] = GOING;
    for (guint round = 0; round < 2; round++) {
        g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(IntroCallback));
        g_autoptr(GError) error = NULL;
        gboolean in_motion;

        intro_callbacks_find(callbacks, is_wanted, NULL, found, &in_motion, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(found->len, ==, round == 0 ? 1 : 0);
        fixture->data->bases[0].vectors[0] = 0;
        *fake_guest_entry(fixture->kernel.guest, GOING, 1) = 0;
    }
}

/* A list of two, of the last CPU. */
static void
add_heads(Fixture *fixture)
{
    FakeHead *heads = fixture->data->heads;

    heads[0] = (FakeHead) { va_of(fixture, &heads[1]), TEXT };
    heads[1] = (FakeHead) { 0, TEXT + 0x400 };
}

static void
set_up_irq_works(Fixture *fixture, gconstpointer data)
{
    set_up(fixture, "timer_bases", write_irq_works);
}

static void
test_irq_works(Fixture *fixture, gconstpointer data)
{
    add_heads(fixture);
    fixture->data->bases[1].irq_works = va_of(fixture, &fixture->data->heads[0]);
    assert_one(fixture, "irq work item", va_of(fixture, &fixture->data->heads[1]), TEXT + 0x400);
}

/* What stands for it is a timer of another CPU's. */
static void
add_domain(Fixture *fixture)
{
    FakeData *fake = fixture->data;
    FakeArea *area = &fake->bases[0].area;

    add_heads(fixture);
    fake->domain.areas = fixture->variable + G_STRUCT_OFFSET(FakeBase, area);
    area->domain = va_of(fixture, &fake->domain);
    area->timer.function = QUEUES;
    fake->bases[1].area.list = va_of(fixture, &fake->heads[0]);
    fake->bases[0].vectors[2] = va_of(fixture, &area->timer);
}

static void
test_srcu(Fixture *fixture, gconstpointer data)
{
    add_domain(fixture);
    assert_one(fixture, "SRCU callback", va_of(fixture, &fixture->data->heads[1]), TEXT + 0x400);
    fixture->data->bases[1].area.lock = 1;
    assert_one(fixture, "SRCU callback", va_of(fixture, &fixture->data->heads[1]), TEXT + 0x400);
}

/* Or the delayed work item that ends the domain's grace period. */
static void
test_srcu_delayed(Fixture *fixture, gconstpointer data)
{
    FakeDelayed *work = &fixture->data->domain.work;

    add_domain(fixture);
    fixture->data->bases[0].vectors[2] = va_of(fixture, &work->timer);
    work->timer.function = DELAYS;
    work->function = ENDS;
    assert_one(fixture, "SRCU callback", va_of(fixture, &fixture->data->heads[1]), TEXT + 0x400);
}

static void
test_no_srcu(Fixture *fixture, gconstpointer data)
{
    add_domain(fixture);
    fixture->data->bases[0].area.domain = 0x1234;
    assert_corrupt(fixture, INTRO_ERROR_NOT_MAPPED);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, set_up, test) g_test_add("/callbacks/" name, Fixture, NULL, set_up, test, tear_down)
    ADD("timers", set_up_timers, test_timers);
    ADD("in-motion", set_up_timers, test_in_motion);
    ADD("delayed", set_up_timers, test_delayed);
    ADD("endless-list", set_up_timers, test_endless_list);
    ADD("no-list", set_up_timers, test_no_list);
    ADD("hrtimers", set_up_hrtimers, test_hrtimers);
    ADD("no-tree", set_up_hrtimers, test_no_tree);
    ADD("again", set_up_timers, test_again);
    ADD("gone", set_up_timers, test_gone);
    ADD("irq-works", set_up_irq_works, test_irq_works);
    ADD("srcu", set_up_srcu, test_srcu);
    ADD("srcu-delayed", set_up_srcu, test_srcu_delayed);
    ADD("no-srcu", set_up_srcu, test_no_srcu);
    return g_test_run();
}
