/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of QEMU's gdb stub, for one stop of the guest: connecting stops every vCPU, detaching starts them again.
 * Merely closing the connection leaves them stopped, so whoever connected has to see to it that they run again.
 *
 * Requests are sent together and their answers read together: while this lasts the guest stands still.
 */
#ifndef VMM_GDB_H
#define VMM_GDB_H

#include "vmm/gdb-target.h"
#include "vmm/machine.h"

/* What stays true of a stub from one connection to the next; learnt in the first. */
typedef struct VmmGdbFacts VmmGdbFacts;

/* N_VCPUS is a guess that saves time when it is right. */
VmmGdbFacts *vmm_gdb_facts_new(guint n_vcpus);
void vmm_gdb_facts_free(VmmGdbFacts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmGdbFacts, vmm_gdb_facts_free)

typedef struct VmmGdb VmmGdb;

/* Takes over FD, a connection to the stub; FACTS must outlive it. */
VmmGdb *vmm_gdb_new(int fd, VmmGdbFacts *facts);
void vmm_gdb_free(VmmGdb *gdb);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmGdb, vmm_gdb_free)

/* Before all else, with a stub whose last client may have gone in the middle of a packet: ends that one. Errors: LOST,
 * UNREACHABLE, PROTOCOL. */
gboolean vmm_gdb_resync(VmmGdb *gdb, GError **error);

/* The first thing to do: appends the registers of each vCPU to VCPUS, and makes later writes physical.
 * Errors: PROTOCOL, UNSUPPORTED, LOST, UNREACHABLE. */
gboolean vmm_gdb_begin(VmmGdb *gdb, GArray *vcpus, GError **error);

/* How many bytes are written wholly or not at all, whatever becomes of us; known from vmm_gdb_begin on. */
gsize vmm_gdb_bytes_at_once(const VmmGdb *gdb);

/* Writes guest-physical memory, in this order. Errors: as above; part of it may be written then. */
gboolean vmm_gdb_write(VmmGdb *gdb, const VmmChunk *chunks, gsize n_chunks, GError **error);

/* Reads guest-physical memory into the extents' buffers, which are to be small. Errors: as above. */
gboolean vmm_gdb_read(VmmGdb *gdb, const VmmExtent *extents, gsize n_extents, GError **error);

/* Starts the vCPUs: they run when this returns TRUE. Nothing may be asked afterwards. A guest that has been migrated away
 * meanwhile is left as it is: LOST. */
gboolean vmm_gdb_detach(VmmGdb *gdb, GError **error);

#endif
