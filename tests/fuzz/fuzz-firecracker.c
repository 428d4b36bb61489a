/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State files of Firecracker's snapshots: the input is the memory file's size (8 bytes), and the state file up to its
 * checksum, which is made right.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tests/vmm/firecracker-writer.h"
#include "vmm/firecracker.h"
#include "vmm/socket.h"

static void
check(const VmmCoreFile *file, guint64 memory_bytes)
{
    guint64 end = 0, offset = 0;

    for (guint i = 0; i < file->segments->len; i++) {
        const VmmCoreSegment *segment = &g_array_index(file->segments, VmmCoreSegment, i);

        if (segment->range.start.value < end || segment->range.length == 0 || segment->offset != offset)
            __builtin_trap();
        end = segment->range.start.value + segment->range.length;
        offset += segment->range.length;
    }
    if (offset != memory_bytes || file->vcpus->len == 0)
        __builtin_trap();
}

void
fuzz(const guint8 *data, gsize size)
{
    static const guint8 checksum[8];
    VMM_AUTO_FD int fd = memfd_create("state", MFD_CLOEXEC);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(VmmCoreFile) file = NULL;
    guint64 memory_bytes;

    if (size < sizeof memory_bytes)
        return;
    memcpy(&memory_bytes, data, sizeof memory_bytes);
    g_byte_array_append(bytes, data + sizeof memory_bytes, size - sizeof memory_bytes);
    g_byte_array_append(bytes, checksum, sizeof checksum);
    firecracker_state_seal(bytes);
    if (write(fd, bytes->data, bytes->len) != (gssize) bytes->len)
        return;
    file = vmm_firecracker_read(fd, memory_bytes, NULL);
    if (file != NULL)
        check(file, memory_bytes);
}
