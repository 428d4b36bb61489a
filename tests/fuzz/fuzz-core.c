/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory images: the input is what follows the ELF header of one, a table of segments at its start.
 */
#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "vmm/core-file.h"
#include "vmm/socket.h"

#define N_SEGMENTS 4

static void
check(const VmmCoreFile *file, gsize file_bytes)
{
    for (guint i = 0; i < file->segments->len; i++) {
        const VmmCoreSegment *segment = &g_array_index(file->segments, VmmCoreSegment, i);

        if (segment->offset > file_bytes || segment->range.length > file_bytes - segment->offset
            || segment->range.length == 0 || vmm_core_file_find(file, segment->range.start.value) != segment)
            __builtin_trap();
    }
}

void
fuzz(const guint8 *data, gsize size)
{
    const Elf64_Ehdr header = {
        .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_phoff = sizeof header,
        .e_ehsize = sizeof header, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = N_SEGMENTS,
    };
    VMM_AUTO_FD int fd = memfd_create("core", MFD_CLOEXEC);
    g_autoptr(VmmCoreFile) file = NULL;

    if (write(fd, &header, sizeof header) != sizeof header || write(fd, data, size) != (gssize)size)
        return;
    file = vmm_core_file_new(fd, NULL);
    if (file != NULL)
        check(file, sizeof header + size);
}
