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

/* A stack's bytes are few: those of all N_STACKS, shared out. */
static gboolean
add_copy_of_one(const PatchGuest *guest, guint64 bytes, guint n_stacks, BenchRow *row, GError **error)
{
    gsize of_one = n_stacks > 0 ? bytes / n_stacks : 0;
    g_autofree guint8 *buffer = g_malloc0(of_one + PIECE_BYTES);

    for (guint i = 0; i < n_stacks; i++) {
        gint64 start = g_get_monotonic_time();

        if (!copy_plainly(vmm_machine_reader(guest->machine), buffer, of_one, error))
            return FALSE;
        bench_add(row, g_get_monotonic_time() - start);
    }
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

/* How many there were. */
static guint
unwind_all(const PatchGuest *guest, const GPtrArray *tasks, BenchRow *row)
{
    guint n = 0;

    for (guint i = 0; i < tasks->len; i++) {
        const IntroTask *task = tasks->pdata[i];
        gint64 start = g_get_monotonic_time();
        g_autoptr(IntroStack) stack = NULL;

        if (!task->on_cpu && task->stack)
            stack = intro_stack_of_task(guest->kernel, task, NULL);
        if (!stack)
            continue;
        bench_add(row, g_get_monotonic_time() - start);
        n++;
    }
    return n;
}

static gboolean
bench_stacks(const PatchGuest *guest, int rounds, GError **error)
{
    BenchRow listed = bench_row("list of all tasks"), unwound = bench_row("one task's stack"),
        copied_one = bench_row("process_vm_readv of one stack"), all = bench_row("all tasks' stacks, CPU"),
        copied = bench_row(COPY_NAME);
    guint n_tasks = 0;

    for (int i = 0; i < rounds; i++) {
        guint64 before = bytes_read();
        gint64 start = g_get_monotonic_time();
        g_autoptr(GPtrArray) tasks = intro_tasks(guest->kernel, error);
        guint64 listing, stacks;
        guint n_stacks;
        double cpu_start;

        if (!tasks)
            return FALSE;
        bench_add(&listed, g_get_monotonic_time() - start);
        n_tasks = tasks->len;
        listing = bytes_read() - before;
        cpu_start = cpu_ms();
        n_stacks = unwind_all(guest, tasks, &unwound);
        bench_add(&all, cpu_ms() - cpu_start);
        stacks = bytes_read() - before - listing;
        if (!add_copy_of_one(guest, stacks, n_stacks, &copied_one, error)
            || !add_plain_copy(guest, stacks, &copied, error))
            return FALSE;
    }
    bench_print(&listed, "us");
    bench_print(&unwound, "us");
    bench_print(&copied_one, "us");
    bench_print(&all, "ms");
    bench_print(&copied, "ms");
    printf("(%u tasks)\n", n_tasks);
    return TRUE;
}

/* What it takes to look at all tasks and their stacks, before anything is copied here, which takes memory too. */
static gboolean
print_memory(const PatchGuest *guest, GError **error)
{
    g_autoptr(GPtrArray) tasks = intro_tasks(guest->kernel, error);
    BenchRow ignored = bench_row("");
    struct rusage usage;

    if (!tasks)
        return FALSE;
    unwind_all(guest, tasks, &ignored);
    getrusage(RUSAGE_SELF, &usage);
    printf("most memory used: %.0f MiB\n", usage.ru_maxrss / 1024.0);
    return TRUE;
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
    if (!guest || !print_memory(guest, &error) || !bench_attach(guest, rounds, &error)
        || !bench_stacks(guest, rounds, &error)) {
        fprintf(stderr, "looking: %s\n", error->message);
        return 1;
    }
    return 0;
}
