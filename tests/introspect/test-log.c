/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/log.h"

#include <string.h>

#include "tests/introspect/btf-writer.h"
#include "tests/introspect/fake-kernel.h"

#define MEMORY_BYTES    (1u << 20)
#define DATA            0xffffffff82000000ULL
#define COUNT_BITS      3
#define SIZE_BITS       8
#define N_DESCS         (1u << COUNT_BITS)
#define RING_BYTES      (1u << SIZE_BITS)
#define FINALIZED       (2ULL << 62)
#define REUSABLE        (3ULL << 62)

typedef struct {
    guint64 state, begin, next;
} FakeDesc;

/* The level has the upper three bits of its byte. */
typedef struct {
    guint64 seq, ts_nsec;
    guint16 text_len;
    guint8 facility, flags_and_level;
    guint32 caller_id;
} FakeInfo;

typedef struct {
    guint32 count_bits, size_bits;
    guint64 descs, infos, head_id, tail_id, data;
} FakeRing;

/* What lies at DATA. */
typedef struct {
    guint64 prb;
    FakeRing ring;
    FakeDesc descs[N_DESCS];
    FakeInfo infos[N_DESCS];
    char text[RING_BYTES];
} FakeData;

typedef struct {
    IntroKernel kernel;
    FakeData *data;
    guint64 next_id, next_position;
} Fixture;

#define MEMBER(type, member, id) { #member, id, G_STRUCT_OFFSET(type, member) * 8 }
#define BITS(n) ((guint32) (n) << 24)

static IntroBtf *
make_btf(void)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    guint32 u8 = btf_writer_int(writer, "u8", 1), u16 = btf_writer_int(writer, "u16", 2);
    guint32 u32 = btf_writer_int(writer, "u32", 4), u64 = btf_writer_int(writer, "u64", 8);
    const BtfWriterMember position[] = { { "begin", u64, 0 }, { "next", u64, 64 } };
    guint32 positions = btf_writer_composite(writer, BTF_STRUCT, "prb_data_blk_lpos", 16, FALSE, position, 2);
    const BtfWriterMember desc[] = { { "state_var", u64, 0 }, { "text_blk_lpos", positions, 64 } };
    const BtfWriterMember info[] = {
        MEMBER(FakeInfo, seq, u64), MEMBER(FakeInfo, ts_nsec, u64), MEMBER(FakeInfo, text_len, u16),
        MEMBER(FakeInfo, facility, u8),
        { "flags", u8, G_STRUCT_OFFSET(FakeInfo, flags_and_level) * 8 | BITS(5) },
        { "level", u8, (G_STRUCT_OFFSET(FakeInfo, flags_and_level) * 8 + 5) | BITS(3) },
    };
    const BtfWriterMember descs[] = {
        MEMBER(FakeRing, count_bits, u32), MEMBER(FakeRing, descs, u64), MEMBER(FakeRing, infos, u64),
        MEMBER(FakeRing, head_id, u64), MEMBER(FakeRing, tail_id, u64),
    };
    const BtfWriterMember data[] = { MEMBER(FakeRing, size_bits, u32), MEMBER(FakeRing, data, u64) };
    guint32 desc_ring = btf_writer_composite(writer, BTF_STRUCT, "prb_desc_ring", sizeof(FakeRing), FALSE, descs, 5);
    guint32 data_ring = btf_writer_composite(writer, BTF_STRUCT, "prb_data_ring", sizeof(FakeRing), FALSE, data, 2);
    const BtfWriterMember ring[] = { { "desc_ring", desc_ring, 0 }, { "text_data_ring", data_ring, 0 } };
    g_autoptr(GBytes) section = NULL;
    g_autoptr(GError) error = NULL;
    IntroBtf *btf;

    btf_writer_composite(writer, BTF_STRUCT, "prb_desc", sizeof(FakeDesc), FALSE, desc, 2);
    btf_writer_composite(writer, BTF_STRUCT, "printk_info", sizeof(FakeInfo), TRUE, info, G_N_ELEMENTS(info));
    btf_writer_composite(writer, BTF_STRUCT, "printk_ringbuffer", sizeof(FakeRing), FALSE, ring, 2);
    section = btf_writer_finish(writer);
    btf = intro_btf_new(section, &error);
    g_assert_no_error(error);
    return btf;
}

static IntroSymbols *
make_symbols(const char *name)
{
    IntroSymbolGroup *group = intro_symbol_group_new(NULL, g_strdup(name));
    const IntroSymbol symbol = { .va = DATA, .name = group->names, .type = 'd' };

    g_array_append_val(group->symbols, symbol);
    return intro_symbols_new(group);
}

/* As the kernel begins: the one before the first is both the newest and the oldest. Positions are about to wrap. */
static void
set_up(Fixture *fixture, gconstpointer symbol)
{
    FakeData *data;

    fake_kernel_set_up(&fixture->kernel, MEMORY_BYTES);
    fixture->kernel.symbols = make_symbols(symbol != NULL ? symbol : "prb");
    fixture->kernel.btf = make_btf();
    fixture->data = data = (FakeData *) (gpointer) fake_guest_place(fixture->kernel.guest, DATA, "", 1, FAKE_WRITABLE);
    data->prb = DATA + G_STRUCT_OFFSET(FakeData, ring);
    data->ring = (FakeRing) {
        .count_bits = COUNT_BITS, .size_bits = SIZE_BITS, .descs = DATA + G_STRUCT_OFFSET(FakeData, descs),
        .infos = DATA + G_STRUCT_OFFSET(FakeData, infos), .data = DATA + G_STRUCT_OFFSET(FakeData, text),
        .head_id = -(guint64) (N_DESCS + 1) & ~REUSABLE, .tail_id = -(guint64) (N_DESCS + 1) & ~REUSABLE,
    };
    data->descs[N_DESCS - 1] = (FakeDesc) { REUSABLE | data->ring.head_id, 1, 1 };
    fixture->next_id = data->ring.head_id + 1;
    fixture->next_position = -(guint64) RING_BYTES;
}

static void
tear_down(Fixture *fixture, gconstpointer symbol)
{
    fake_kernel_tear_down(&fixture->kernel);
}

/* Puts TEXT where the kernel would. */
static FakeDesc *
print(Fixture *fixture, const char *text)
{
    FakeData *data = fixture->data;
    const guint64 id = fixture->next_id++ & ~REUSABLE, length = strlen(text), bytes = (8 + length + 7) & ~7ULL;
    const guint index = id % N_DESCS;
    guint64 begin = fixture->next_position, at = begin % RING_BYTES;

    fixture->next_position = begin + bytes;
    if (at + bytes > RING_BYTES) {
        at = 0;
        fixture->next_position = (begin | (RING_BYTES - 1)) + 1 + bytes;
    }
    memcpy(data->text + at, &id, sizeof id);
    memcpy(data->text + at + 8, text, length);
    data->descs[index] = (FakeDesc) { FINALIZED | id, begin, fixture->next_position };
    data->infos[index] = (FakeInfo) {
        .seq = (id + N_DESCS) & ~REUSABLE, .ts_nsec = 1000, .text_len = length, .flags_and_level = 4 << 5 | 0x1f,
    };
    data->ring.head_id = id;
    if (((id - data->ring.tail_id) & ~REUSABLE) >= N_DESCS)
        data->ring.tail_id = (id - N_DESCS + 1) & ~REUSABLE;
    return &data->descs[index];
}

/* All texts from FROM on, each with its number. */
static char *
read_all(const Fixture *fixture, guint64 from)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) records = intro_log_read(&fixture->kernel, from, &error);
    GString *text = g_string_new(NULL);

    g_assert_no_error(error);
    for (guint i = 0; i < records->len; i++) {
        const IntroLogRecord *record = records->pdata[i];

        g_assert_cmpuint(record->level, ==, 4);
        g_string_append_printf(text, "%" G_GUINT64_FORMAT ":%s ", record->sequence, record->text);
    }
    return g_string_free(text, FALSE);
}

static void
assert_reads(const Fixture *fixture, guint64 from, const char *expected)
{
    g_autofree char *text = read_all(fixture, from);

    g_assert_cmpstr(text, ==, expected);
}

static void
test_order(Fixture *fixture, gconstpointer symbol)
{
    guint64 next;

    assert_reads(fixture, 0, "");
    g_assert_true(intro_log_next_sequence(&fixture->kernel, &next, NULL));
    g_assert_cmpuint(next, ==, 0);
    print(fixture, "a");
    print(fixture, "");
    print(fixture, "c\033d\n\303\244\377");
    assert_reads(fixture, 0, "0:a 1: 2:c\\x1bd\n\303\244\357\277\275 ");
    assert_reads(fixture, 2, "2:c\\x1bd\n\303\244\357\277\275 ");
    assert_reads(fixture, 3, "");
    g_assert_true(intro_log_next_sequence(&fixture->kernel, &next, NULL));
    g_assert_cmpuint(next, ==, 3);
}

/* Ids, positions and the buffer all go round. */
static void
test_round(Fixture *fixture, gconstpointer symbol)
{
    for (guint i = 0; i < 100; i++) {
        g_autofree char *text = g_strnfill(i % 41, 'a' + i % 26);

        print(fixture, text);
    }
    print(fixture, "last");
    for (guint64 from = 95; from < 101; from++) {
        g_autoptr(GPtrArray) records = intro_log_read(&fixture->kernel, from, NULL);
        const IntroLogRecord *first = records->pdata[0];
        g_autofree char *text = from < 100 ? g_strnfill(from % 41, 'a' + from % 26) : g_strdup("last");

        g_assert_cmpuint(records->len, ==, 101 - from);
        g_assert_cmpuint(first->sequence, ==, from);
        g_assert_cmpstr(first->text, ==, text);
    }
}

/* Newer kernels let a text end where the buffer does. */
static void
test_exact_end(Fixture *fixture, gconstpointer symbol)
{
    g_autofree char *text = g_strnfill(RING_BYTES - 8 - 16, 'x');
    g_autofree char *expected = g_strdup_printf("0:a 1:%s 2:b ", text);

    print(fixture, "a");
    print(fixture, text);
    g_assert_cmphex(fixture->next_position % RING_BYTES, ==, 0);
    fixture->data->descs[(fixture->next_id - 2) % N_DESCS].state = 0;
    print(fixture, "b");
    assert_reads(fixture, 1, g_strstr_len(expected, -1, "1:"));
}

static void
reuse(FakeGuest *guest, gpointer data)
{
    ((FakeDesc *) data)->state += N_DESCS;
}

/* What the guest writes meanwhile is left out, never half of it. */
static void
test_torn(Fixture *fixture, gconstpointer symbol)
{
    FakeDesc *second;

    print(fixture, "a");
    second = print(fixture, "b");
    print(fixture, "c");
    second->state &= ~FINALIZED;
    assert_reads(fixture, 0, "0:a 2:c ");
    second->state |= FINALIZED;
    for (guint n = 0; n < 200; n++) {
        const guint64 before = second->state;
        g_autofree char *text = NULL;

        fake_guest_act_after(fixture->kernel.guest, n, reuse, second);
        text = read_all(fixture, 0);
        g_assert_true(strcmp(text, "0:a 2:c ") == 0 || strcmp(text, "0:a 1:b 2:c ") == 0);
        second->state = before;
    }
}

static void
test_corrupt(Fixture *fixture, gconstpointer symbol)
{
    static const guint64 values[] = {
        0, 1, 2, 7, 8, RING_BYTES, RING_BYTES - 8, 1ULL << 40, G_MAXUINT64, G_MAXUINT64 - 7,
    };
    FakeData *data = fixture->data;
    FakeDesc *desc;

    print(fixture, "a");
    desc = print(fixture, "b");
    data->infos[1].text_len = G_MAXUINT16;
    for (gsize i = 0; i < G_N_ELEMENTS(values) * G_N_ELEMENTS(values); i++) {
        g_autoptr(GPtrArray) records = NULL;

        desc->begin = values[i % G_N_ELEMENTS(values)];
        desc->next = values[i / G_N_ELEMENTS(values)];
        records = intro_log_read(&fixture->kernel, 0, NULL);
        g_assert_nonnull(records);
        g_assert_cmpuint(records->len, <=, 2);
    }
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;

        data->ring.count_bits = i == 0 ? 40 : COUNT_BITS;
        data->ring.size_bits = i == 0 ? SIZE_BITS : 64;
        g_assert_null(intro_log_read(&fixture->kernel, 0, &error));
        g_assert_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT);
    }
}

static void
test_older_kernel(Fixture *fixture, gconstpointer symbol)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(intro_log_read(&fixture->kernel, 0, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED);
}

static void
test_alarms(void)
{
    static const struct {
        const char *text;
        guint facility;
        gboolean is_alarm;
    } cases[] = {
        { "BUG: kernel NULL pointer dereference, address: 0000000000000008", 0, TRUE },
        { "BUG: kernel NULL pointer dereference, address: 0000000000000008", 1, FALSE },
        { "kernel BUG at fs/inode.c:612!", 0, TRUE },
        { "general protection fault, probably for non-canonical address 0xdead: 0000 [#1] PREEMPT SMP NOPTI", 0, TRUE },
        { "Oops: invalid opcode: 0000 [#12] SMP", 0, TRUE },
        { "WARNING: CPU: 1 PID: 72 at fs/proc/uptime.c:27 uptime_proc_show+0xb1/0x150", 0, TRUE },
        { "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [cat:80]", 0, TRUE },
        { "rcu: INFO: rcu_preempt self-detected stall on CPU", 0, TRUE },
        { "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:", 0, TRUE },
        { "INFO: task kworker/0:1:9 blocked for more than 120 seconds.", 0, TRUE },
        { "Kernel panic - not syncing: Fatal exception", 0, TRUE },
        { "traps: a.out[81] general protection fault ip:401136 sp:7ffd error:0 in a.out[401000+1000]", 0, FALSE },
        { "Out of memory: Killed process 99 (cat) [#]", 0, FALSE },
        { "ACPI: \\_SB_.LNKB: Enabled at IRQ 10", 0, FALSE },
        { "", 0, FALSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const IntroLogRecord record = { .facility = cases[i].facility, .text = (char *) cases[i].text };

        g_test_message("%s", cases[i].text);
        g_assert_true(intro_log_is_alarm(&record) == cases[i].is_alarm);
    }
}

#define ADD(path, symbol, test) g_test_add(path, Fixture, symbol, set_up, test, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/log/records come in order, from any number on, and printable", NULL, test_order);
    ADD("/log/the buffer goes round", NULL, test_round);
    ADD("/log/a text may end where the buffer does", NULL, test_exact_end);
    ADD("/log/what is written meanwhile is left out", NULL, test_torn);
    ADD("/log/nothing in it is trusted", NULL, test_corrupt);
    ADD("/log/an older kernel has none", "log_buf", test_older_kernel);
    g_test_add_func("/log/what tells of something wrong", test_alarms);
    return g_test_run();
}
