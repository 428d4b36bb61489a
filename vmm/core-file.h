/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A memory image as QEMU's dump-guest-memory and `virsh dump --memory-only` write it: an ELF core file whose PT_LOAD
 * segments hold guest-physical memory, with one note of owner "QEMU" for each vCPU.
 *
 * Sources: the ELF specification; QEMU's docs/interop and target/i386/arch_dump.c for the note (QEMUCPUState).
 * The file may come from anyone: it is bounded in every number, and nothing of it is believed before it is checked.
 */
#ifndef VMM_CORE_FILE_H
#define VMM_CORE_FILE_H

#include "vmm/machine.h"

/* Of what the embedded machine saves besides (kvm-state.h). */
#define VMM_MACHINE_NOTE_OWNER "VLP-KVM"

typedef struct {
    VmmRange range;
    guint64 offset;         /* of the range's first byte in the file */
} VmmCoreSegment;

typedef struct {
    GArray *segments;       /* of VmmCoreSegment, ascending, without overlaps */
    GArray *vcpus;          /* of VmmVcpu, in the order of their index; at least one */
    GPtrArray *machine_notes;   /* of GBytes: notes of owner VMM_MACHINE_NOTE_OWNER, whose types are their indices */
    gboolean has_copies;    /* some memory is in it more than once, of which one copy is in SEGMENTS */
} VmmCoreFile;

/* Reads what FD's headers say; FD stays the caller's. Errors: UNSUPPORTED (another kind of file; the message says what to
 * do), PROTOCOL (damaged or cut off), UNREACHABLE (cannot be read). */
VmmCoreFile *vmm_core_file_new(int fd, GError **error);
/* One without anything, to be filled by who reads another kind of file. */
VmmCoreFile *vmm_core_file_new_empty(void);
/* Adds the vCPUs that LENGTH bytes of ELF notes tell of. Errors: PROTOCOL, UNSUPPORTED. */
gboolean vmm_core_file_add_notes(VmmCoreFile *file, void *bytes, gsize length, GError **error);
/* Whether it has memory and vCPUs. Errors: UNSUPPORTED. */
gboolean vmm_core_file_is_complete(const VmmCoreFile *file, GError **error);
void vmm_core_file_free(VmmCoreFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmCoreFile, vmm_core_file_free)

/* The segment that holds PA, or NULL. */
const VmmCoreSegment *vmm_core_file_find(const VmmCoreFile *file, guint64 pa);

#endif
