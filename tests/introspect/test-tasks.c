/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/task-struct.h"
#include "introspect/tasks.h"

#include <string.h>

#include "tests/introspect/btf-writer.h"
#include "tests/introspect/fake-kernel.h"

#define MEMORY_BYTES    (4u << 20)
#define DATA            0xffffffff82000000ULL
#define DATA_BYTES      0x10000
#define CPUS            0xffffffff82100000ULL
#define STACK           0xffffc90000010000ULL
#define STACK_BYTES     0x4000
#define MAX_FAKE_TASKS  16

/* A task_struct of our own making; where its members lie is told by types made to match. */
typedef struct {
    guint32 state, flags;
    guint64 stack;
    guint32 on_cpu, cpu;
    guint64 next, previous;
    guint32 exit_state, pid, tgid, stack_references;
    guint64 next_thread, previous_thread;
    guint64 set_child_tid, signal;
    char comm[16];
    guint64 voluntary, involuntary;
    guint64 worker_private;
    guint64 sp;
} FakeTask;

typedef struct {
    guint64 data, full_name;
} FakeKthread;

typedef struct {
    guint64 current_work, pool;
    char desc[24];
} FakeWorker;

/* What lies at DATA. Each process's signal_struct is but the head of its threads. */
typedef struct {
    FakeTask tasks[MAX_FAKE_TASKS];     /* the first is init_task */
    guint64 thread_heads[MAX_FAKE_TASKS][2];
    FakeKthread kthread;
    FakeWorker worker;
    char full_name[200];
    guint64 runqueues[2];               /* the pointer to the idle task is all of each */
} FakeData;

typedef struct {
    IntroKernel kernel;
    IntroTaskLayout *layout;
    FakeData *data;
    guint n_tasks;
} Fixture;

const IntroTaskLayout *
intro_kernel_task_layout(const IntroKernel *kernel, GError **error)
{
    return ((const Fixture *) kernel)->layout;
}

#define MEMBER(type, member, id) { #member, id, G_STRUCT_OFFSET(type, member) * 8 }
#define NAMED(type, name, member, id) { name, id, G_STRUCT_OFFSET(type, member) * 8 }

static void
write_task(BtfWriter *writer, guint32 u32, guint32 u64, guint32 comm)
{
    const BtfWriterMember links[] = { { "next", u64, 0 }, { "prev", u64, 64 } };
    guint32 list = btf_writer_composite(writer, BTF_STRUCT, "list_head", 16, FALSE, links, 2);
    const BtfWriterMember counter[] = { { "counter", u32, 0 } };
    guint32 atomic = btf_writer_composite(writer, BTF_STRUCT, NULL, 4, FALSE, counter, 1);
    const BtfWriterMember refs[] = { { "refs", atomic, 0 } };
    guint32 refcount = btf_writer_composite(writer, BTF_STRUCT, "refcount_struct", 4, FALSE, refs, 1);
    const BtfWriterMember thread_members[] = { { "sp", u64, 0 } };
    guint32 thread = btf_writer_composite(writer, BTF_STRUCT, "thread_struct", 8, FALSE, thread_members, 1);
    const BtfWriterMember members[] = {
        NAMED(FakeTask, "__state", state, u32), MEMBER(FakeTask, flags, u32), MEMBER(FakeTask, stack, u64),
        MEMBER(FakeTask, on_cpu, u32), MEMBER(FakeTask, cpu, u32), NAMED(FakeTask, "tasks", next, list),
        MEMBER(FakeTask, exit_state, u32), MEMBER(FakeTask, pid, u32), MEMBER(FakeTask, tgid, u32),
        NAMED(FakeTask, "stack_refcount", stack_references, refcount),
        NAMED(FakeTask, "thread_node", next_thread, list), MEMBER(FakeTask, set_child_tid, u64),
        MEMBER(FakeTask, signal, u64), MEMBER(FakeTask, comm, comm), NAMED(FakeTask, "nvcsw", voluntary, u64),
        NAMED(FakeTask, "nivcsw", involuntary, u64), MEMBER(FakeTask, worker_private, u64),
        NAMED(FakeTask, "thread", sp, thread),
    };

    btf_writer_composite(writer, BTF_STRUCT, "task_struct", sizeof(FakeTask), FALSE, members, G_N_ELEMENTS(members));
}

/* Names are arrays of integers of LETTER_BITS. */
static IntroBtf *
make_btf(guint letter_bits)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    g_autoptr(GBytes) section = NULL;
    g_autoptr(GError) error = NULL;
    guint32 u32 = btf_writer_int(writer, "unsigned int", 4), u64 = btf_writer_int(writer, "unsigned long", 8);
    guint32 character = btf_writer_int(writer, "char", 1), desc = btf_writer_array(writer, character, 24);
    guint32 letter = btf_writer_type(writer, BTF_INT, "letter", 0, FALSE, 1), comm;
    const BtfWriterMember kthread[] = { MEMBER(FakeKthread, data, u64), MEMBER(FakeKthread, full_name, u64) };
    const BtfWriterMember worker[] = {
        MEMBER(FakeWorker, current_work, u64), MEMBER(FakeWorker, pool, u64), MEMBER(FakeWorker, desc, desc),
    };
    const BtfWriterMember signal[] = { { "thread_head", u64, 0 } }, rq[] = { { "idle", u64, 0 } };
    IntroBtf *btf;

    btf_writer_u32(writer, letter_bits);
    comm = btf_writer_array(writer, letter, 16);
    write_task(writer, u32, u64, comm);
    btf_writer_composite(writer, BTF_STRUCT, "kthread", sizeof(FakeKthread), FALSE, kthread, G_N_ELEMENTS(kthread));
    btf_writer_composite(writer, BTF_STRUCT, "worker", sizeof(FakeWorker), FALSE, worker, G_N_ELEMENTS(worker));
    btf_writer_composite(writer, BTF_STRUCT, "signal_struct", 16, FALSE, signal, 1);
    btf_writer_composite(writer, BTF_STRUCT, "rq", 8, FALSE, rq, 1);
    section = btf_writer_finish(writer);
    btf = intro_btf_new(section, &error);
    g_assert_no_error(error);
    return btf;
}

static IntroSymbols *
make_symbols(Fixture *fixture)
{
    IntroSymbolGroup *group = intro_symbol_group_new(NULL, NULL);
    const IntroSymbol symbols[] = {
        { .va = DATA, .name = "init_task", .type = 'D' },
        { .va = DATA + DATA_BYTES, .name = "__start_init_task", .type = 'D' },
        { .va = DATA + DATA_BYTES + STACK_BYTES, .name = "__end_init_task", .type = 'D' },
    };

    g_array_append_vals(group->symbols, symbols, G_N_ELEMENTS(symbols));
    fake_kernel_add_cpus(&fixture->kernel, group, CPUS, "runqueues", DATA + G_STRUCT_OFFSET(FakeData, runqueues),
                         sizeof fixture->data->runqueues[0]);
    return intro_symbols_new(group);
}

static GuestVa
task_va(guint index)
{
    return DATA + index * sizeof(FakeTask);
}

static GuestVa
link_va(guint index)
{
    return task_va(index) + G_STRUCT_OFFSET(FakeTask, next);
}

static GuestVa
thread_link_va(guint index)
{
    return task_va(index) + G_STRUCT_OFFSET(FakeTask, next_thread);
}

static GuestVa
thread_head_va(guint leader)
{
    return DATA + G_STRUCT_OFFSET(FakeData, thread_heads) + leader * 16;
}

/* A task that is in no list yet. */
static FakeTask *
add_task(Fixture *fixture, gint32 pid, gint32 tgid, const char *name)
{
    FakeTask *task = &fixture->data->tasks[fixture->n_tasks++];

    *task = (FakeTask) { .pid = pid, .tgid = tgid, .state = 1, .stack_references = 1 };
    task->stack = STACK + pid * STACK_BYTES;
    task->sp = task->stack + 0x3e00;
    memcpy(task->comm, name, MIN(strlen(name), sizeof(task->comm)));
    return task;
}

/* A process of one thread, at the end of the list of all. */
static FakeTask *
add_process(Fixture *fixture, gint32 pid, const char *name)
{
    guint index = fixture->n_tasks, last = (fixture->data->tasks[0].previous - link_va(0)) / sizeof(FakeTask);
    FakeTask *task = add_task(fixture, pid, pid, name);

    task->next = link_va(0);
    task->previous = link_va(last);
    fixture->data->tasks[last].next = fixture->data->tasks[0].previous = link_va(index);
    task->signal = task->next_thread = task->previous_thread = thread_head_va(index);
    fixture->data->thread_heads[index][0] = fixture->data->thread_heads[index][1] = thread_link_va(index);
    return task;
}

/* One more thread of the process at LEADER, behind those that it has. */
static void
add_thread(Fixture *fixture, guint leader, gint32 pid, const char *name)
{
    guint index = fixture->n_tasks, last;
    FakeTask *task = add_task(fixture, pid, fixture->data->tasks[leader].tgid, name);

    last = (fixture->data->thread_heads[leader][1] - thread_link_va(0)) / sizeof(FakeTask);
    task->signal = task->next_thread = thread_head_va(leader);
    task->previous_thread = thread_link_va(last);
    fixture->data->tasks[last].next_thread = fixture->data->thread_heads[leader][1] = thread_link_va(index);
}

static void
fixture_set_up(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *zeros = g_malloc0(DATA_BYTES);
    FakeTask *init_task;

    G_STATIC_ASSERT(sizeof(FakeData) <= DATA_BYTES);
    fake_kernel_set_up(&fixture->kernel, MEMORY_BYTES);
    fixture->data = (FakeData *) fake_guest_place(fixture->kernel.guest, DATA, zeros, DATA_BYTES, FAKE_WRITABLE);
    fixture->kernel.symbols = make_symbols(fixture);
    fixture->kernel.btf = make_btf(8);
    fixture->layout = intro_task_layout_new(&fixture->kernel, &error);
    g_assert_no_error(error);
    init_task = add_task(fixture, 0, 0, "swapper/0");
    init_task->next = init_task->previous = link_va(0);
    fixture->data->runqueues[0] = task_va(0);
}

static void
fixture_tear_down(Fixture *fixture, gconstpointer data)
{
    g_free(fixture->layout);
    fake_kernel_tear_down(&fixture->kernel);
}

static GPtrArray *
read_tasks(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *tasks = intro_tasks(&fixture->kernel, &error);

    g_assert_no_error(error);
    return tasks;
}

static void
assert_task(GPtrArray *tasks, guint index, gint32 tgid, gint32 pid, const char *name)
{
    const IntroTask *task;

    g_assert_cmpuint(index, <, tasks->len);
    task = g_ptr_array_index(tasks, index);
    g_assert_cmpint(task->tgid, ==, tgid);
    g_assert_cmpint(task->pid, ==, pid);
    g_assert_cmpstr(task->name, ==, name);
}

static void
assert_corrupt(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(intro_tasks(&fixture->kernel, &error));
    g_assert_nonnull(error);
    g_assert_true(g_error_matches(error, INTRO_ERROR, INTRO_ERROR_CORRUPT)
                  || g_error_matches(error, INTRO_ERROR, INTRO_ERROR_NOT_MAPPED));
}

static void
test_order(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GPtrArray) tasks = NULL;

    add_process(fixture, 30, "late");
    add_process(fixture, 7, "early");
    add_thread(fixture, 2, 40, "second");
    add_thread(fixture, 2, 35, "first");
    tasks = read_tasks(fixture);
    g_assert_cmpuint(tasks->len, ==, 5);
    assert_task(tasks, 0, 7, 7, "early");
    assert_task(tasks, 1, 7, 35, "first");
    assert_task(tasks, 2, 7, 40, "second");
    assert_task(tasks, 3, 30, 30, "late");
    assert_task(tasks, 4, 0, 0, "swapper/0");
    g_assert_true(((IntroTask *) g_ptr_array_index(tasks, 4))->is_idle);
}

static void
test_fields(Fixture *fixture, gconstpointer data)
{
    FakeTask *fake = add_process(fixture, 9, "sixteen-letters!");
    g_autoptr(GPtrArray) tasks = NULL;
    g_autoptr(IntroTask) again = NULL;
    const IntroTask *task;

    fake->cpu = 1;
    fake->on_cpu = 1;
    fake->voluntary = 5;
    fake->involuntary = 2;
    tasks = read_tasks(fixture);
    task = g_ptr_array_index(tasks, 0);
    g_assert_cmpstr(task->name, ==, "sixteen-letters!");
    g_assert_cmphex(task->task, ==, task_va(1));
    g_assert_cmpuint(task->cpu, ==, 1);
    g_assert_true(task->on_cpu);
    g_assert_false(task->is_kernel_thread);
    g_assert_false(task->is_idle);
    g_assert_cmpuint(task->switches, ==, 7);
    g_assert_cmphex(task->stack, ==, fake->stack);
    g_assert_cmphex(task->sp, ==, fake->sp);
    g_assert_cmpuint(task->stack_bytes, ==, STACK_BYTES);
    fake->voluntary++;
    again = intro_task_read(&fixture->kernel, task_va(1), NULL);
    g_assert_cmpuint(again->switches, ==, 8);
}

static void
test_states(Fixture *fixture, gconstpointer data)
{
    static const struct {
        guint32 state, exit_state;
        char letter;
    } states[] = {
        { 0x0000, 0, 'R' }, { 0x0001, 0, 'S' }, { 0x0002, 0, 'D' }, { 0x0004, 0, 'T' }, { 0x0008, 0, 't' },
        { 0x0000, 0x10, 'X' }, { 0x0080, 0x20, 'Z' }, { 0x0040, 0, 'P' }, { 0x0402, 0, 'I' }, { 0x0102, 0, 'D' },
        { 0x1000, 0, 'D' }, { 0x8000, 0, 'D' }, { 0x2001, 0, 'S' },
    };
    FakeTask *fake = add_process(fixture, 9, "any");

    for (gsize i = 0; i < G_N_ELEMENTS(states); i++) {
        g_autoptr(GPtrArray) tasks = NULL;

        fake->state = states[i].state;
        fake->exit_state = states[i].exit_state;
        tasks = read_tasks(fixture);
        g_assert_cmpint(((IntroTask *) g_ptr_array_index(tasks, 0))->state, ==, states[i].letter);
    }
}

static void
test_no_stack_any_more(Fixture *fixture, gconstpointer data)
{
    FakeTask *fake = add_process(fixture, 9, "zombie");
    g_autoptr(GPtrArray) tasks = NULL;

    fake->stack_references = 0;
    tasks = read_tasks(fixture);
    g_assert_cmphex(((IntroTask *) g_ptr_array_index(tasks, 0))->stack, ==, 0);
}

static void
test_kernel_threads(Fixture *fixture, gconstpointer data)
{
    FakeTask *thread = add_process(fixture, 2, "a-long-name-cut"), *worker = add_process(fixture, 3, "kworker/0:1");
    g_autoptr(GPtrArray) tasks = NULL, later = NULL, idle = NULL;

    thread->flags = 0x00200000;
    worker->flags = 0x00200020;
    thread->worker_private = worker->worker_private = DATA + G_STRUCT_OFFSET(FakeData, kthread);
    fixture->data->kthread.full_name = DATA + G_STRUCT_OFFSET(FakeData, full_name);
    fixture->data->kthread.data = DATA + G_STRUCT_OFFSET(FakeData, worker);
    g_strlcpy(fixture->data->full_name, "a-long-name-cut-no-more", sizeof(fixture->data->full_name));
    fixture->data->worker.pool = fixture->data->worker.current_work = DATA;
    memcpy(fixture->data->worker.desc, "events", 7);
    tasks = read_tasks(fixture);
    assert_task(tasks, 0, 2, 2, "a-long-name-cut-no-more");
    assert_task(tasks, 1, 3, 3, "kworker/0:1+events");
    g_assert_true(((IntroTask *) g_ptr_array_index(tasks, 0))->is_kernel_thread);
    fixture->data->worker.current_work = 0;
    memset(fixture->data->full_name, 'x', 100);
    later = read_tasks(fixture);
    assert_task(later, 0, 2, 2, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    assert_task(later, 1, 3, 3, "kworker/0:1-events");
    fixture->data->kthread.data = fixture->data->kthread.full_name = 0x1234;
    idle = read_tasks(fixture);
    assert_task(idle, 0, 2, 2, "a-long-name-cut");
    assert_task(idle, 1, 3, 3, "kworker/0:1");
}

static void
test_hostile_name(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GPtrArray) tasks = NULL;
    const IntroTask *task;

    add_process(fixture, 9, "\033[2Jx\n\xff");
    tasks = read_tasks(fixture);
    task = g_ptr_array_index(tasks, 0);
    g_assert_true(g_utf8_validate(task->name, -1, NULL));
    g_assert_true(g_str_has_prefix(task->name, "?[2Jx?"));
}

/* The guest was stopped between the two writes that take a task out: it is passed by the one way, not by the other. */
static void
test_half_removed(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GPtrArray) tasks = NULL;

    add_process(fixture, 1, "one");
    add_process(fixture, 2, "leaving");
    add_process(fixture, 3, "three");
    fixture->data->tasks[3].previous = link_va(1);
    tasks = read_tasks(fixture);
    g_assert_cmpuint(tasks->len, ==, 4);
    assert_task(tasks, 2, 3, 3, "three");
}

static void
test_torn(Fixture *fixture, gconstpointer data)
{
    add_process(fixture, 1, "one");
    add_process(fixture, 2, "two");
    add_process(fixture, 3, "three");
    fixture->data->tasks[3].previous = 0xdead000000000122;
    assert_corrupt(fixture);
}

static void
test_wild(Fixture *fixture, gconstpointer data)
{
    add_process(fixture, 1, "one");
    fixture->data->tasks[1].next = 0xdead000000000100;
    assert_corrupt(fixture);
}

/* Rings that are consistent, but do not lead back to where they began. */
static void
test_ring_without_start(Fixture *fixture, gconstpointer data)
{
    add_process(fixture, 1, "one");
    add_process(fixture, 2, "two");
    fixture->data->tasks[2].next = link_va(1);
    fixture->data->tasks[1].previous = link_va(2);
    assert_corrupt(fixture);
}

static void
test_ring_of_threads(Fixture *fixture, gconstpointer data)
{
    add_process(fixture, 1, "one");
    add_thread(fixture, 1, 5, "thread");
    add_thread(fixture, 1, 6, "thread");
    fixture->data->tasks[3].next_thread = thread_link_va(2);
    fixture->data->tasks[2].previous_thread = thread_link_va(3);
    assert_corrupt(fixture);
}

static void
test_not_a_task(Fixture *fixture, gconstpointer data)
{
    add_process(fixture, -5, "negative");
    assert_corrupt(fixture);
}

/* There is no memory for so many stacks, so it is no use to go on. */
static void
test_more_than_memory(Fixture *fixture, gconstpointer data)
{
    for (guint i = 1; i <= 8; i++)
        add_process(fixture, i, "one");
    fixture->layout->stack_bytes = MEMORY_BYTES / 4;
    assert_corrupt(fixture);
}

/* Types may tell of a name that takes less room than it has letters. */
static void
test_senseless_types(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    intro_btf_free(fixture->kernel.btf);
    fixture->kernel.btf = make_btf(1);
    g_assert_null(intro_task_layout_new(&fixture->kernel, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        { "/tasks/order", test_order },
        { "/tasks/fields", test_fields },
        { "/tasks/states", test_states },
        { "/tasks/no-stack-any-more", test_no_stack_any_more },
        { "/tasks/kernel-threads", test_kernel_threads },
        { "/tasks/hostile-name", test_hostile_name },
        { "/tasks/half-removed", test_half_removed },
        { "/tasks/torn", test_torn },
        { "/tasks/wild", test_wild },
        { "/tasks/ring-without-start", test_ring_without_start },
        { "/tasks/ring-of-threads", test_ring_of_threads },
        { "/tasks/not-a-task", test_not_a_task },
        { "/tasks/more-than-memory", test_more_than_memory },
        { "/tasks/senseless-types", test_senseless_types },
    };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, fixture_set_up, tests[i].run, fixture_tear_down);
    return g_test_run();
}
