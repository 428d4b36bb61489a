/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/memory.h"

#define PAGE 4096

/* Two buffers of ours stand for guest memory: 4 pages at 0, 2 pages right behind them, and 1 page apart. */
typedef struct {
    guint8 *low, *high;
    VmmHostMemory *memory;
} Fixture;

static void
add_region(VmmHostMemory *memory, guint64 pa, const guint8 *host, gsize length)
{
    VmmHostRegion region = { { guest_pa(pa), length }, GPOINTER_TO_SIZE(host) };
    g_autoptr(GError) error = NULL;

    g_assert_true(vmm_host_memory_add(memory, &region, &error));
    g_assert_no_error(error);
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    fixture->low = g_malloc(4 * PAGE);
    fixture->high = g_malloc(8 * PAGE);
    for (gsize i = 0; i < 4 * PAGE; i++)
        fixture->low[i] = i * 7 + i / PAGE;
    for (gsize i = 0; i < 8 * PAGE; i++)
        fixture->high[i] = i * 13 + i / PAGE;
    fixture->memory = vmm_host_memory_new(getpid(), &error);
    g_assert_no_error(error);
    add_region(fixture->memory, 0, fixture->low, PAGE);
    add_region(fixture->memory, PAGE, fixture->low + PAGE, 3 * PAGE);
    add_region(fixture->memory, 4 * PAGE, fixture->high, 2 * PAGE);
    add_region(fixture->memory, 16 * PAGE, fixture->high + 4 * PAGE, PAGE);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    vmm_host_memory_free(fixture->memory);
    g_free(fixture->low);
    g_free(fixture->high);
}

static void
test_ranges(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GArray) ranges = vmm_host_memory_ranges(fixture->memory);

    g_assert_cmpuint(ranges->len, ==, 3);
    g_assert_cmphex(g_array_index(ranges, VmmRange, 0).length, ==, 4 * PAGE);
    g_assert_cmphex(g_array_index(ranges, VmmRange, 1).start.value, ==, 4 * PAGE);
    g_assert_cmphex(g_array_index(ranges, VmmRange, 2).length, ==, PAGE);
}

static void
test_read_across(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    guint8 got[200];
    VmmExtent extent = { guest_pa(4 * PAGE - 100), got, sizeof got };

    g_assert_true(vmm_host_memory_read(fixture->memory, &extent, 1, &error));
    g_assert_no_error(error);
    g_assert_cmpmem(got, 100, fixture->low + 4 * PAGE - 100, 100);
    g_assert_cmpmem(got + 100, 100, fixture->high, 100);
}

/* More pieces than one system call takes, some of them empty, some in two parts. */
static void
test_read_many(Fixture *fixture, gconstpointer data)
{
    const gsize n = 3000, length = 5;
    g_autofree VmmExtent *extents = g_new0(VmmExtent, n);
    g_autofree guint8 *got = g_malloc0(n * length);
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < n; i++)
        extents[i] = (VmmExtent) { guest_pa(4 * PAGE - n + i), got + i * length, i % 10 == 9 ? 0 : length };
    g_assert_true(vmm_host_memory_read(fixture->memory, extents, n, &error));
    g_assert_no_error(error);
    for (gsize i = 0; i < n; i++) {
        for (gsize j = 0; j < extents[i].length; j++) {
            gsize pa = extents[i].pa.value + j;

            g_assert_cmphex(got[i * length + j], ==, pa < 4 * PAGE ? fixture->low[pa] : fixture->high[pa - 4 * PAGE]);
        }
    }
}

static void
assert_unreadable(Fixture *fixture, guint64 pa, gsize length)
{
    g_autofree guint8 *got = g_malloc(length);
    g_autoptr(GError) error = NULL;
    VmmExtent extent = { guest_pa(pa), got, length };

    g_assert_false(vmm_host_memory_read(fixture->memory, &extent, 1, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_BAD_ADDRESS);
}

static void
test_holes(Fixture *fixture, gconstpointer data)
{
    assert_unreadable(fixture, 6 * PAGE, 1);
    assert_unreadable(fixture, 6 * PAGE - 1, 2);
    assert_unreadable(fixture, 16 * PAGE - 1, 2);
    assert_unreadable(fixture, 17 * PAGE, 1);
    assert_unreadable(fixture, G_MAXUINT64, 1);
}

/* QEMU's memory can go away behind our back: a region that is there when it is added and not when it is read. */
static void
test_vanished(Fixture *fixture, gconstpointer data)
{
    guint8 *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    g_assert_true(pages != MAP_FAILED);
    add_region(fixture->memory, 32 * PAGE, pages, 2 * PAGE);
    munmap(pages + PAGE, PAGE);
    assert_unreadable(fixture, 32 * PAGE, 2 * PAGE);
    munmap(pages, PAGE);
}

static void
test_refuses(Fixture *fixture, gconstpointer data)
{
    VmmHostRegion unmapped = { { guest_pa(64 * PAGE), PAGE }, PAGE };
    VmmHostRegion wraps = { { guest_pa(64 * PAGE), PAGE }, G_MAXUINT64 - 1 };
    VmmHostRegion empty = { { guest_pa(64 * PAGE), 0 }, GPOINTER_TO_SIZE(fixture->low) };
    g_autoptr(GError) error = NULL;

    g_assert_false(vmm_host_memory_add(fixture->memory, &unmapped, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_BAD_ADDRESS);
    g_clear_error(&error);
    g_assert_false(vmm_host_memory_add(fixture->memory, &wraps, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL);
    g_clear_error(&error);
    g_assert_false(vmm_host_memory_add(fixture->memory, &empty, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL);
}

static void
test_dead_process(void)
{
    g_autoptr(VmmHostMemory) memory = NULL;
    g_autoptr(GError) error = NULL;
    VmmHostRegion region = { { guest_pa(0), PAGE }, GPOINTER_TO_SIZE(&memory) };
    uid_t uid;
    int gate[2];
    pid_t pid;

    g_assert_cmpint(pipe(gate), ==, 0);
    pid = fork();
    if (pid == 0) {
        char c;

        close(gate[1]);
        _exit(read(gate[0], &c, 1) != 0);
    }
    memory = vmm_host_memory_new(pid, &error);
    g_assert_no_error(error);
    g_assert_true(vmm_host_memory_owner(memory, &uid, &error));
    g_assert_cmpuint(uid, ==, geteuid());
    close(gate[0]);
    close(gate[1]);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);

    g_assert_false(vmm_host_memory_add(memory, &region, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_LOST);
    g_clear_error(&error);
    g_assert_false(vmm_host_memory_owner(memory, &uid, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_LOST);
    g_clear_error(&error);
    g_assert_null(vmm_host_memory_new(pid, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_LOST);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/vmm/memory/" name, Fixture, NULL, set_up, func, tear_down)
    ADD("ranges", test_ranges);
    ADD("read-across", test_read_across);
    ADD("read-many", test_read_many);
    ADD("holes", test_holes);
    ADD("vanished", test_vanished);
    ADD("refuses", test_refuses);
    g_test_add_func("/vmm/memory/dead-process", test_dead_process);
    return g_test_run();
}
