/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/run-queues.h"

#include "tests/introspect/btf-writer.h"
#include "tests/introspect/fake-kernel.h"

#define MEMORY_BYTES    (4u << 20)
#define DATA            0xffff888001000000ULL
#define CPUS            0xffff888002000000ULL
#define MAX_FAKE_TASKS  8
#define N_PRIORITIES    4

typedef struct {
    guint64 next, previous;
} FakeList;

typedef struct {
    guint64 something;
    FakeList group_node, run_list, runnable_node;
} FakeTask;

typedef struct {
    guint32 nr_running, rt_nr_running;
    FakeList cfs_tasks, queue[N_PRIORITIES], runnable_list;
} FakeQueue;

typedef struct {
    FakeQueue queues[2];
    FakeTask tasks[MAX_FAKE_TASKS];
} FakeData;

typedef struct {
    IntroKernel kernel;
    FakeData *data;
} Fixture;

static guint32
wrap(BtfWriter *writer, const char *member, guint32 id, gsize offset)
{
    const BtfWriterMember members[] = { { member, id, offset * 8 } };

    return btf_writer_composite(writer, BTF_STRUCT, NULL, offset + 16, FALSE, members, 1);
}

static void
write_task(BtfWriter *writer, guint32 list, gboolean has_ext)
{
    const BtfWriterMember members[] = {
        { "se", wrap(writer, "group_node", list, G_STRUCT_OFFSET(FakeTask, group_node)), 0 },
        { "rt", wrap(writer, "run_list", list, G_STRUCT_OFFSET(FakeTask, run_list)), 0 },
        { "scx", wrap(writer, "runnable_node", list, G_STRUCT_OFFSET(FakeTask, runnable_node)), 0 },
    };

    btf_writer_composite(writer, BTF_STRUCT, "task_struct", sizeof(FakeTask), FALSE, members, has_ext ? 3 : 2);
}

static void
write_queue(BtfWriter *writer, guint32 u32, guint32 list, gboolean has_ext)
{
    guint32 heads = btf_writer_array(writer, list, N_PRIORITIES);
    const BtfWriterMember realtime[] = {
        { "rt_nr_running", u32, G_STRUCT_OFFSET(FakeQueue, rt_nr_running) * 8 },
        { "active", wrap(writer, "queue", heads, G_STRUCT_OFFSET(FakeQueue, queue)), 0 },
    };
    const BtfWriterMember members[] = {
        { "nr_running", u32, 0 },
        { "cfs_tasks", list, G_STRUCT_OFFSET(FakeQueue, cfs_tasks) * 8 },
        { "rt", btf_writer_composite(writer, BTF_STRUCT, NULL, sizeof(FakeQueue), FALSE, realtime, 2), 0 },
        { "scx", wrap(writer, "runnable_list", list, G_STRUCT_OFFSET(FakeQueue, runnable_list)), 0 },
    };

    btf_writer_composite(writer, BTF_STRUCT, "rq", sizeof(FakeQueue), FALSE, members, has_ext ? 4 : 3);
}

static IntroBtf *
make_btf(gboolean has_ext)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    g_autoptr(GBytes) section = NULL;
    g_autoptr(GError) error = NULL;
    guint32 u32 = btf_writer_int(writer, "unsigned int", 4), u64 = btf_writer_int(writer, "unsigned long", 8);
    const BtfWriterMember links[] = { { "next", u64, 0 }, { "prev", u64, 64 } };
    guint32 list = btf_writer_composite(writer, BTF_STRUCT, "list_head", 16, FALSE, links, 2);
    IntroBtf *btf;

    write_task(writer, list, has_ext);
    write_queue(writer, u32, list, has_ext);
    section = btf_writer_finish(writer);
    btf = intro_btf_new(section, &error);
    g_assert_no_error(error);
    return btf;
}

static IntroSymbols *
make_symbols(Fixture *fixture)
{
    IntroSymbolGroup *group = intro_symbol_group_new(NULL, NULL);

    fake_kernel_add_cpus(&fixture->kernel, group, CPUS, "runqueues", DATA + G_STRUCT_OFFSET(FakeData, queues),
                         sizeof(FakeQueue));
    return intro_symbols_new(group);
}

static GuestVa
va_of(const Fixture *fixture, const void *at)
{
    return DATA + ((const guint8 *)at - (const guint8 *)fixture->data);
}

static void
empty(const Fixture *fixture, FakeList *head)
{
    head->next = head->previous = va_of(fixture, head);
}

/* At the head of the list, as the kernel does. */
static void
add(const Fixture *fixture, FakeList *head, FakeList *link)
{
    link->next = head->next;
    link->previous = va_of(fixture, head);
    head->next = va_of(fixture, link);
}

static void
fixture_set_up(Fixture *fixture, gconstpointer has_ext)
{
    const FakeData zeros = { 0 };

    fake_kernel_set_up(&fixture->kernel, MEMORY_BYTES);
    fixture->data = (FakeData *)fake_guest_place(fixture->kernel.guest, DATA, &zeros, sizeof zeros, FAKE_WRITABLE);
    fixture->kernel.symbols = make_symbols(fixture);
    fixture->kernel.btf = make_btf(has_ext != NULL);
    for (guint q = 0; q < G_N_ELEMENTS(fixture->data->queues); q++) {
        FakeQueue *queue = &fixture->data->queues[q];

        empty(fixture, &queue->cfs_tasks);
        empty(fixture, &queue->runnable_list);
        for (guint i = 0; i < N_PRIORITIES; i++)
            empty(fixture, &queue->queue[i]);
    }
}

static void
fixture_tear_down(Fixture *fixture, gconstpointer data)
{
    fake_kernel_tear_down(&fixture->kernel);
}

static GArray *
read_all(const Fixture *fixture, GError **error)
{
    g_autoptr(IntroRunQueues) queues = intro_run_queues_new(&fixture->kernel, error);
    g_autoptr(GArray) tasks = g_array_new(FALSE, FALSE, sizeof(GuestVa));

    return queues != NULL && intro_run_queues_read(queues, tasks, error) ? g_steal_pointer(&tasks) : NULL;
}

static gboolean
has(const Fixture *fixture, const GArray *tasks, guint index)
{
    for (guint i = 0; i < tasks->len; i++)
        if (g_array_index(tasks, GuestVa, i) == va_of(fixture, &fixture->data->tasks[index]))
            return TRUE;
    return FALSE;
}

static void
test_classes(Fixture *fixture, gconstpointer has_ext)
{
    FakeQueue *queues = fixture->data->queues;
    FakeTask *tasks = fixture->data->tasks;
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) found = NULL;

    queues[0].nr_running = 3;
    queues[0].rt_nr_running = 1;
    add(fixture, &queues[0].cfs_tasks, &tasks[0].group_node);
    add(fixture, &queues[0].cfs_tasks, &tasks[1].group_node);
    add(fixture, &queues[0].queue[N_PRIORITIES - 1], &tasks[2].run_list);
    queues[1].nr_running = 2;
    add(fixture, &queues[1].cfs_tasks, &tasks[3].group_node);
    add(fixture, &queues[1].runnable_list, &tasks[4].runnable_node);
    found = read_all(fixture, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(found->len, ==, has_ext != NULL ? 5 : 4);
    for (guint i = 0; i < found->len; i++)
        g_assert_true(has(fixture, found, i));
}

static void
test_idle(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) found = read_all(fixture, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(found->len, ==, 0);
}

/* A list that leads back into itself, and not to its head. */
static void
test_endless(Fixture *fixture, gconstpointer data)
{
    FakeQueue *queue = &fixture->data->queues[0];
    FakeTask *tasks = fixture->data->tasks;
    g_autoptr(GError) error = NULL;

    queue->nr_running = G_MAXUINT32;
    add(fixture, &queue->cfs_tasks, &tasks[0].group_node);
    add(fixture, &queue->cfs_tasks, &tasks[1].group_node);
    tasks[0].group_node.next = va_of(fixture, &tasks[1].group_node);
    g_assert_null(read_all(fixture, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT);
}

static void
test_leads_away(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    fixture->data->queues[1].nr_running = 1;
    fixture->data->queues[1].cfs_tasks.next = 0x1000;
    g_assert_null(read_all(fixture, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_MAPPED);
}

#define ADD(name, data, test) g_test_add("/run-queues/" name, Fixture, data, fixture_set_up, test, fixture_tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("classes", NULL, test_classes);
    ADD("classes-ext", "ext", test_classes);
    ADD("idle", NULL, test_idle);
    ADD("endless", NULL, test_endless);
    ADD("leads-away", NULL, test_leads_away);
    return g_test_run();
}
