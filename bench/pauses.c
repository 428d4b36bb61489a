/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pauses GUEST [ROUNDS]: for how long a machine stands still, by the machine's own count (or, for QEMU, by its events): for
 * nothing, and for a write of an update's size; and what a whole round of pause and resume takes the caller.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/table.h"
#include "vmm/machine.h"

#define DEFAULT_ROUNDS 1000
#define N_CHUNKS 24
#define CHUNK_BYTES 64

/* Writes what is there already: the guest goes on as it was. */
static gboolean
write_same(VmmMachine *machine, VmmPause *pause, GError **error)
{
    guint8 bytes[N_CHUNKS][CHUNK_BYTES];
    VmmChunk chunks[N_CHUNKS];
    guint n_ranges;
    GuestPa start = vmm_reader_ranges(vmm_machine_reader(machine), &n_ranges)[0].start;

    for (guint i = 0; i < N_CHUNKS; i++)
        chunks[i] = (VmmChunk) { guest_pa_add(start, i * sizeof bytes[0]), bytes[i], sizeof bytes[0] };
    return vmm_read(vmm_machine_reader(machine), start, bytes, sizeof bytes, error)
           && vmm_pause_write(pause, chunks, N_CHUNKS, error);
}

static gboolean
measure(VmmMachine *machine, gboolean with_write, BenchRow *stood, BenchRow *round, GError **error)
{
    gint64 start = g_get_monotonic_time();
    g_autoptr(VmmPause) pause = vmm_pause_begin(machine, error);
    guint64 stood_ns;

    if (pause == NULL || (with_write && !write_same(machine, pause, error))
        || !vmm_pause_end(g_steal_pointer(&pause), &stood_ns, error))
        return FALSE;
    bench_add(stood, stood_ns / 1e3);
    bench_add(round, g_get_monotonic_time() - start);
    return TRUE;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmmMachine) machine = argc >= 2 ? vmm_machine_open(argv[1], NULL, &error) : NULL;
    int rounds = argc >= 3 ? atoi(argv[2]) : DEFAULT_ROUNDS;
    BenchRow rows[] = { bench_row("empty pause"), bench_row("empty pause, whole round"), bench_row("pause with a write"),
                        bench_row("the same, whole round") };

    if (machine == NULL || rounds < 1) {
        fprintf(stderr, "%s\n", error != NULL ? error->message : "usage: pauses GUEST [ROUNDS]");
        return 1;
    }
    for (int i = 0; i < rounds; i++)
        if (!measure(machine, FALSE, &rows[0], &rows[1], &error)
            || !measure(machine, TRUE, &rows[2], &rows[3], &error)) {
            fprintf(stderr, "%s\n", error->message);
            return 1;
        }
    bench_print_head();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        bench_print(&rows[i], "us");
    return 0;
}
