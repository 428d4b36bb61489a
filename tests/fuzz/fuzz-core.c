/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory images: the input is the file's size in MiB (4 bytes), and what stands at its beginning; the rest is zero.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "vmm/machine.h"
#include "vmm/socket.h"

#define MAX_MIB 65536
#define MAX_LOOKS 16

static void
look(const VmmReader *reader)
{
    guint n_ranges, n_vcpus = vmm_reader_n_vcpus(reader);
    const VmmRange *ranges = vmm_reader_ranges(reader, &n_ranges);
    guint8 buffer[256];
    VmmVcpu vcpu;

    for (guint i = 0; i < n_ranges; i++) {
        guint64 start = ranges[i].start.value, length = ranges[i].length;

        if (length == 0 || start + (length - 1) < start
            || (i > 0 && start < ranges[i - 1].start.value + ranges[i - 1].length))
            __builtin_trap();
        if (i >= MAX_LOOKS)
            continue;
        vmm_read(reader, guest_pa(start), buffer, MIN(length, sizeof buffer), NULL);
        vmm_read(reader, guest_pa(start + length - 1), buffer, 2, NULL);
    }
    for (guint i = 0; i < MIN(n_vcpus, MAX_LOOKS); i++)
        vmm_reader_peek_vcpu(reader, i, &vcpu, NULL);
}

void
fuzz(const guint8 *data, gsize size)
{
    VMM_AUTO_FD int fd = memfd_create("core", MFD_CLOEXEC);
    g_autofree char *name = g_strdup_printf("core:/proc/self/fd/%d", fd);
    g_autoptr(VmmMachine) machine = NULL;
    guint32 mib;

    if (size < sizeof mib)
        return;
    memcpy(&mib, data, sizeof mib);
    if (ftruncate(fd, (off_t) (mib % MAX_MIB) << 20) != 0
        || pwrite(fd, data + sizeof mib, size - sizeof mib, 0) != (gssize) (size - sizeof mib))
        return;
    machine = vmm_machine_open(name, NULL, NULL);
    if (machine != NULL)
        look(vmm_machine_reader(machine));
}
