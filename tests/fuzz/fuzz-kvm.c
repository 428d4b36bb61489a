/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a machine's control socket (docs/kvm-protocol.md) answers: packets, each with its length before it.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/peer.h"
#include "vmm/machine.h"

#define MEMORY_BYTES (1 << 20)

static void
look(const VmmReader *reader)
{
    guint n_ranges;
    const VmmRange *ranges = vmm_reader_ranges(reader, &n_ranges);
    guint8 buffer[256];
    VmmVcpu vcpu;

    for (guint i = 0; i < n_ranges; i++) {
        guint64 start = ranges[i].start.value, length = ranges[i].length;

        vmm_read(reader, guest_pa(start), buffer, MIN(length, sizeof buffer), NULL);
        vmm_read(reader, guest_pa(start + length - 1), buffer, 1, NULL);
    }
    for (guint i = 0; i < vmm_reader_n_vcpus(reader); i++)
        vmm_reader_peek_vcpu(reader, i, &vcpu, NULL);
}

static void
change(VmmMachine *machine)
{
    const VmmRange *range = vmm_reader_ranges(vmm_machine_reader(machine), &(guint) { 0 });
    const VmmChunk chunk = { range->start, "x", 1 };
    VmmPause *pause = NULL;
    gboolean running;
    guint64 stood_ns;

    if (!vmm_machine_is_running(machine, &running, NULL, NULL) || !vmm_machine_claim(machine, NULL)
        || !vmm_machine_set_will(machine, &chunk, &chunk, 1, NULL))
        return;
    pause = vmm_pause_begin(machine, NULL);
    if (pause == NULL)
        return;
    vmm_pause_write(pause, &chunk, 1, NULL);
    vmm_pause_end(pause, &stood_ns, NULL);
}

void
fuzz(const guint8 *data, gsize size)
{
    static char *name;
    static int memory;
    g_autoptr(VmmMachine) machine = NULL;

    if (name == NULL) {
        name = g_strconcat("kvm:", fuzz_peer_listen(SOCK_SEQPACKET), NULL);
        memory = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (ftruncate(memory, MEMORY_BYTES) != 0 || fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) != 0)
            g_error("no memory");
    }
    fuzz_peer_says(data, size, memory);
    machine = vmm_machine_open(name, NULL, NULL);
    if (machine == NULL)
        return;
    look(vmm_machine_reader(machine));
    change(machine);
}
