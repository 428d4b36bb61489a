/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "vmm/join.h"

#define MEMORY_BYTES (4 * 4096)
#define AT_ONCE 400

typedef struct {
    guint8 bytes[MEMORY_BYTES];
    guint n_reads;
    gboolean fails;
} Memory;

static gboolean
read_memory(gpointer data, const VmmExtent *extents, gsize n_extents, GError **error)
{
    Memory *memory = data;

    memory->n_reads++;
    if (memory->fails) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_LOST, "gone");
        return FALSE;
    }
    for (gsize i = 0; i < n_extents; i++) {
        g_assert_cmpuint(extents[i].pa.value + extents[i].length, <=, MEMORY_BYTES);
        memcpy(extents[i].buffer, memory->bytes + extents[i].pa.value, extents[i].length);
    }
    return TRUE;
}

static void
write_all(guint8 *bytes, const VmmChunk *chunks, gsize n_chunks)
{
    for (gsize i = 0; i < n_chunks; i++) {
        g_assert_cmpuint(chunks[i].pa.value + chunks[i].length, <=, MEMORY_BYTES);
        memcpy(bytes + chunks[i].pa.value, chunks[i].data, chunks[i].length);
    }
}

static void
fill(Memory *memory)
{
    for (guint i = 0; i < MEMORY_BYTES; i++)
        memory->bytes[i] = (guint8) g_random_int();
}

/* Whether writing CHUNKS one byte after the other makes NOW of BEFORE at some time. */
static gboolean
is_on_the_way(const guint8 *before, const guint8 *now, const VmmChunk *chunks, gsize n_chunks)
{
    g_autofree guint8 *way = g_memdup2(before, MEMORY_BYTES);
    guint n_differ = 0;

    for (guint i = 0; i < MEMORY_BYTES; i++)
        n_differ += way[i] != now[i];
    for (gsize i = 0; i < n_chunks; i++)
        for (gsize j = 0; j < chunks[i].length && n_differ > 0; j++) {
            guint64 at = chunks[i].pa.value + j;
            guint8 byte = ((const guint8 *)chunks[i].data)[j];

            n_differ = n_differ - (way[at] != now[at]) + (byte != now[at]);
            way[at] = byte;
        }
    return n_differ == 0;
}

/* Whoever is killed in the middle leaves what is on the way. */
static void
write_on_the_way(guint8 *bytes, const VmmChunk *joined, gsize n_joined, const VmmChunk *chunks, gsize n_chunks)
{
    g_autofree guint8 *before = g_memdup2(bytes, MEMORY_BYTES);

    for (gsize i = 0; i < n_joined; i++)
        for (gsize done = 0; done < joined[i].length; done += AT_ONCE) {
            write_all(bytes, &(VmmChunk) { guest_pa(joined[i].pa.value + done), (const guint8 *)joined[i].data + done,
                                           MIN(AT_ONCE, joined[i].length - done) }, 1);
            g_assert_true(is_on_the_way(before, bytes, chunks, n_chunks));
        }
}

/* Joined or not, the same bytes come out. Returns how many writes it takes. */
static gsize
check(const VmmChunk *chunks, gsize n_chunks)
{
    g_autofree Memory *memory = g_new0(Memory, 1);
    g_autofree guint8 *expected = NULL;
    g_autoptr(VmmJoined) joined = NULL;
    const VmmChunk *all;
    gsize n;

    fill(memory);
    expected = g_memdup2(memory->bytes, MEMORY_BYTES);
    write_all(expected, chunks, n_chunks);
    joined = vmm_join(chunks, n_chunks, AT_ONCE, read_memory, memory, NULL);
    g_assert_nonnull(joined);
    g_assert_cmpuint(memory->n_reads, <=, 1);
    all = vmm_joined_chunks(joined, &n);
    write_on_the_way(memory->bytes, all, n, chunks, n_chunks);
    g_assert_cmpmem(memory->bytes, MEMORY_BYTES, expected, MEMORY_BYTES);
    return n;
}

static void
test_near(void)
{
    const VmmChunk up[] = { { guest_pa(100), "abcd", 4 }, { guest_pa(104), "efgh", 4 }, { guest_pa(150), "ij", 2 } };
    const VmmChunk down[] = { { guest_pa(150), "ij", 2 }, { guest_pa(100), "abcd", 4 } };
    const VmmChunk over[] = { { guest_pa(100), "abcdefgh", 8 }, { guest_pa(102), "XY", 2 }, { guest_pa(98), "123", 3 } };

    g_assert_cmpuint(check(up, 3), ==, 1);
    g_assert_cmpuint(check(down, 2), ==, 1);
    g_assert_cmpuint(check(over, 3), ==, 1);
}

static void
test_apart(void)
{
    const VmmChunk far[] = { { guest_pa(100), "a", 1 }, { guest_pa(1000), "b", 1 } };
    const VmmChunk pages[] = { { guest_pa(4094), "ab", 2 }, { guest_pa(4096), "cd", 2 } };
    const VmmChunk between[] = { { guest_pa(100), "a", 1 }, { guest_pa(9000), "b", 1 }, { guest_pa(102), "c", 1 } };
    /* The third and fourth have the first between them. */
    const VmmChunk around[] = {
        { guest_pa(120), "a", 1 }, { guest_pa(9000), "b", 1 }, { guest_pa(130), "c", 1 }, { guest_pa(110), "d", 1 },
    };
    static const guint8 zeros[5000];
    const VmmChunk long_one[] = { { guest_pa(100), zeros, sizeof zeros }, { guest_pa(5100), "x", 1 } };

    g_assert_cmpuint(check(far, 2), ==, 2);
    g_assert_cmpuint(check(pages, 2), ==, 2);
    g_assert_cmpuint(check(between, 3), ==, 3);
    g_assert_cmpuint(check(around, 4), ==, 3);
    g_assert_cmpuint(check(long_one, 2), ==, 2);
    g_assert_cmpuint(check(NULL, 0), ==, 0);
}

/* A head that says that the rest is there comes after it, where not all is written at once. */
static void
test_order(void)
{
    static const guint8 body[1000];
    const VmmChunk longer[] = { { guest_pa(100), "claim", 5 }, { guest_pa(105), body, 1000 }, { guest_pa(100), "valid", 5 } };
    const VmmChunk before[] = { { guest_pa(105), body, 1000 }, { guest_pa(100), "valid", 5 } };
    const VmmChunk later[] = {
        { guest_pa(100), "claim", 5 }, { guest_pa(105), body, 100 }, { guest_pa(100), "valid", 5 }, { guest_pa(205), body, 900 },
    };
    const VmmChunk shorter[] = { { guest_pa(100), "claim", 5 }, { guest_pa(105), body, 100 }, { guest_pa(100), "valid", 5 } };

    g_assert_cmpuint(check(longer, 3), ==, 2);
    g_assert_cmpuint(check(before, 2), ==, 2);
    g_assert_cmpuint(check(later, 4), ==, 2);
    g_assert_cmpuint(check(shorter, 3), ==, 1);
}

static void
test_random(void)
{
    guint8 bytes[16][64];
    VmmChunk chunks[16];

    for (guint round = 0; round < 2000; round++) {
        guint n = g_random_int_range(1, 17);

        for (guint i = 0; i < n; i++) {
            gsize length = g_random_int_range(0, sizeof bytes[0]);

            memset(bytes[i], (int) g_random_int(), sizeof bytes[0]);
            chunks[i] = (VmmChunk) { guest_pa(4000 + g_random_int_range(0, 600)), bytes[i], length };
        }
        check(chunks, n);
    }
}

static void
test_unreadable(void)
{
    const VmmChunk near[] = { { guest_pa(100), "a", 1 }, { guest_pa(102), "b", 1 } };
    g_autofree Memory *memory = g_new0(Memory, 1);
    g_autoptr(GError) error = NULL;

    memory->fails = TRUE;
    g_assert_null(vmm_join(near, 2, AT_ONCE, read_memory, memory, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_LOST);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/join/near", test_near);
    g_test_add_func("/join/apart", test_apart);
    g_test_add_func("/join/order", test_order);
    g_test_add_func("/join/random", test_random);
    g_test_add_func("/join/unreadable", test_unreadable);
    return g_test_run();
}
