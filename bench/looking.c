/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * looking GUEST [ROUNDS]: what it costs to look at a running guest. Attaching: finding the kernel with all its symbols,
 * beside a plain copy of as many bytes of guest memory; and tasks with their stacks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/table.h"
#include "introspect/stack.h"
#include "introspect/tasks.h"
#include "patcher/guest.h"

#define DEFAULT_ROUNDS 50
#define PIECE_BYTES 4096
#define COPY_NAME "process_vm_readv of as much, CPU"

static double
cpu_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* How many bytes this process has read so far, out of guests most of all. */
static guint64
bytes_read(void)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents("/proc/self/io", &text, NULL, NULL))
        return 0;
    return g_ascii_strtoull(text + strlen("rchar: "), NULL, 10);
}

/* BYTES of guest memory, in pieces of which as many as there may be are read by one process_vm_readv. */
static gboolean
copy_plainly(const VmmReader *reader, guint8 *buffer, gsize bytes, GError **error)
{
    guint n_ranges;
    const VmmRange *ranges = vmm_reader_ranges(reader, &n_ranges);
    const VmmRange *last = &ranges[n_ranges - 1];
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE, sizeof(VmmExtent));

    for (gsize at = 0; at < bytes && at + PIECE_BYTES <= last->length; at += PIECE_BYTES) {
        VmmExtent extent = { guest_pa_add(last->start, at), buffer + at, PIECE_BYTES };

        g_array_append_val(extents, extent);
    }
    return vmm_read_extents(reader, (const VmmExtent *) extents->data, extents->len, error);
}

/* Into memory that was touched before. */
static gboolean
add_plain_copy(const PatchGuest *guest, guint64 bytes, BenchRow *row, GError **error)
{
    g_autofree guint8 *buffer = g_malloc(bytes + PIECE_BYTES);
    double start;

    memset(buffer, 1, bytes + PIECE_BYTES);
    start = cpu_ms();
    if (!copy_plainly(vmm_machine_reader(guest->machine), buffer, bytes, error))
        return FALSE;
    bench_add(row, cpu_ms() - start);
    return TRUE;
}

static gboolean
bench_attach(const PatchGuest *guest, int rounds, GError **error)
{
    BenchRow attached = bench_row("attach with all symbols, CPU"), copied = bench_row(COPY_NAME);
    guint64 bytes = 0;

    for (int i = 0; i < rounds; i++) {
        guint64 before = bytes_read();
        double start = cpu_ms();
        g_autoptr(IntroKernel) kernel = intro_kernel_attach(vmm_machine_reader(guest->machine), error);

        if (!kernel)
            return FALSE;
        bench_add(&attached, cpu_ms() - start);
        bytes = bytes_read() - before;
        if (!add_plain_copy(guest, bytes, &copied, error))
            return FALSE;
    }
    bench_print(&attached, "ms");
    bench_print(&copied, "ms");
    printf("attaching reads %.1f MiB, and takes %.1f ms of CPU beyond copying them (median)\n",
           bytes / 1048576.0, bench_median(&attached) - bench_median(&copied));
    return TRUE;
}

static gboolean
bench_stacks(const PatchGuest *guest, int rounds, GError **error)
{
    BenchRow listed = bench_row("list of all tasks"), unwound = bench_row("one task's stack"),
        all = bench_row("all tasks' stacks, CPU"), copied = bench_row(COPY_NAME);
    guint n_tasks = 0;

    for (int i = 0; i < rounds; i++) {
        guint64 before = bytes_read();
        gint64 start = g_get_monotonic_time();
        g_autoptr(GPtrArray) tasks = intro_tasks(guest->kernel, error);
        double cpu_start;

        if (!tasks)
            return FALSE;
        bench_add(&listed, g_get_monotonic_time() - start);
        n_tasks = tasks->len;
        cpu_start = cpu_ms();
        for (guint t = 0; t < tasks->len; t++) {
            const IntroTask *task = tasks->pdata[t];
            g_autoptr(IntroStack) stack = NULL;

            start = g_get_monotonic_time();
            stack = task->on_cpu || !task->stack ? NULL : intro_stack_of_task(guest->kernel, task, NULL);
            if (stack)
                bench_add(&unwound, g_get_monotonic_time() - start);
        }
        bench_add(&all, cpu_ms() - cpu_start);
        if (!add_plain_copy(guest, bytes_read() - before, &copied, error))
            return FALSE;
    }
    bench_print(&listed, "us");
    bench_print(&unwound, "us");
    bench_print(&all, "ms");
    bench_print(&copied, "ms");
    printf("(%u tasks)\n", n_tasks);
    return TRUE;
}

static void
print_memory(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    printf("most memory used: %.0f MiB\n", usage.ru_maxrss / 1024.0);
}

int
main(int argc, char **argv)
{
    int rounds = argc > 2 ? atoi(argv[2]) : DEFAULT_ROUNDS;
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchGuest) guest = NULL;

    if (argc < 2 || rounds < 1) {
        fprintf(stderr, "usage: looking GUEST [ROUNDS]\n");
        return 2;
    }
    guest = patch_guest_open_running(argv[1], NULL, &error);
    bench_print_head();
    if (!guest || !bench_attach(guest, rounds, &error) || !bench_stacks(guest, rounds, &error)) {
        fprintf(stderr, "looking: %s\n", error->message);
        return 1;
    }
    print_memory();
    return 0;
}
