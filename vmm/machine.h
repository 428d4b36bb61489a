/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtual machine as seen from its host: guest-physical memory, vCPU registers, pause and resume.
 *
 * Three handles say what their holder may do. A VmmReader only reads, while the guest runs; it is all that
 * introspect/ ever gets. A VmmMachine can also be paused. A VmmPause is the proof that every vCPU stands still, and
 * nothing is written without one; freeing it resumes the guest, so no way out of a function leaves a guest paused.
 *
 * Nothing here knows what runs in the guest. A kind of machine is a VmmBackend (backend.h).
 */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include <glib.h>

#include "vmm/addr.h"
#include "vmm/error.h"
#include "vmm/sandbox.h"
#include "vmm/vcpu.h"

typedef struct VmmMachine VmmMachine;
typedef struct VmmReader VmmReader;
typedef struct VmmPause VmmPause;

typedef struct {
    GuestPa start;
    guint64 length;         /* bytes */
} VmmRange;

/* One piece of a scattered read. */
typedef struct {
    GuestPa pa;
    void *buffer;           /* of the caller; LENGTH bytes */
    gsize length;
} VmmExtent;

/* One piece of a write. */
typedef struct {
    GuestPa pa;
    const void *data;       /* of the caller; LENGTH bytes */
    gsize length;
} VmmChunk;

/*
 * Opens the machine that GUEST names: "qmp:SOCKET", "kvm:SOCKET" (an embedded machine's control socket), "pid:N" (any
 * process with a machine of KVM's), "core:FILE" (a memory image), "saved:FILE" (one that a machine is to be restored
 * from), "saved:MEMORY,STATE" (Firecracker's two files), or the name, id or UUID of a libvirt domain on URI (NULL: libvirt's own
 * default). Does not pause the guest.
 * Errors: any of VMM_ERROR but BAD_ADDRESS.
 */
VmmMachine *vmm_machine_open(const char *guest, const char *uri, GError **error);

/* The same, but a memory image, which a stranger may have made, is looked into only after the process has entered SANDBOX, for
 * good. One opened for VMM_SANDBOX_LOOK can only be read. */
VmmMachine *vmm_machine_open_confined(const char *guest, const char *uri, VmmSandbox sandbox, GError **error);
void vmm_machine_free(VmmMachine *machine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmMachine, vmm_machine_free)

/* A name for people: the domain's or the socket's. Owned by the machine. */
const char *vmm_machine_name(const VmmMachine *machine);

/* What the monitor says of the machine's run state. STATE (may be NULL) is the monitor's own word for it ("running",
 * "paused", "inmigrate", ...), to be freed. */
gboolean vmm_machine_is_running(VmmMachine *machine, gboolean *running, char **state, GError **error);

/* To be the only one to change this guest, of those that ask, for as long as this process lives. Errors: BUSY. */
gboolean vmm_machine_claim(VmmMachine *machine, GError **error);

/*
 * After it was claimed. Takes away what a process of ours left that was killed together with whatever was to put the
 * guest right. *STOPPED: the guest was left stopped. Then the next pause begins as if it were running; until that ends,
 * the guest stands still, and whoever comes next can tell that it was left like that.
 */
gboolean vmm_machine_adopt(VmmMachine *machine, gboolean *stopped, GError **error);

/* TRUE if nothing runs in it, and it can only be looked at. What is in it does not change. */
gboolean vmm_machine_is_image(const VmmMachine *machine);

/* TRUE if nothing runs in it either, but it can be changed, and will be restored with that. */
gboolean vmm_machine_is_saved(const VmmMachine *machine);

/* The path of the UNIX socket at which the guest's virtio-serial port of that NAME ends; to be freed. Errors: NOT_FOUND,
 * UNSUPPORTED. */
char *vmm_machine_find_channel(VmmMachine *machine, const char *name, GError **error);

/* Owned by the machine. */
const VmmReader *vmm_machine_reader(const VmmMachine *machine);

/* The guest's RAM, in ascending order without overlaps; owned by the reader. */
const VmmRange *vmm_reader_ranges(const VmmReader *reader, guint *n_ranges);

/* Reads guest-physical memory; works on a running guest, and what is read may be torn by it. All or an error. */
gboolean vmm_read(const VmmReader *reader, GuestPa pa, void *buffer, gsize length, GError **error);

/* The same for many pieces with as few system calls as there can be. All or an error. */
gboolean vmm_read_extents(const VmmReader *reader, const VmmExtent *extents, gsize n_extents, GError **error);

guint vmm_reader_n_vcpus(const VmmReader *reader);

/* A look at one vCPU's registers without pausing the guest: true for some moment during the call. A QEMU does not tell
 * kernel_gs_base this way; it is 0 then. */
gboolean vmm_reader_peek_vcpu(const VmmReader *reader, guint index, VmmVcpu *vcpu, GError **error);

/*
 * Stops all vCPUs and reads their registers. A guest that is not running (somebody else paused it, it migrates in, it
 * has crashed) is left as it is: VMM_ERROR_BUSY. So is one that is being migrated or debugged by somebody else.
 */
VmmPause *vmm_pause_begin(VmmMachine *machine, GError **error);

/* The vCPUs as they stand; owned by the pause. */
const VmmVcpu *vmm_pause_vcpus(const VmmPause *pause, guint *n_vcpus);

/* Writes guest-physical memory the way the monitor itself does (dirty log, translation caches), chunk after chunk in
 * this order, with as little waiting in between as there can be. A failed write may have been done in part. */
gboolean vmm_pause_write(VmmPause *pause, const VmmChunk *chunks, gsize n_chunks, GError **error);

/* Sends all vCPUs a non-maskable interrupt, as an operator would to a machine that hangs. A vCPU whose interrupt
 * controller lets it through takes it before anything else when the guest goes on. Errors: UNSUPPORTED too. */
gboolean vmm_pause_inject_nmi(VmmPause *pause, GError **error);

/*
 * From now on, in a pause or between two, if this process dies, CHUNKS are written to the guest in this order, the guest
 * being stopped for that, but only if its memory holds PROOF then. Replaces an earlier will; N_CHUNKS 0 stands for none. All is
 * copied. Errors: LOST (nobody would carry it out), UNSUPPORTED.
 */
gboolean vmm_machine_set_will(VmmMachine *machine, const VmmChunk *proof, const VmmChunk *chunks, gsize n_chunks,
                              GError **error);

/* Resumes the guest and says for how long it stood still (ns; may be NULL). The pause is gone afterwards, whether this
 * succeeds or not; on an error it could not be resumed, and the message says what to do. */
gboolean vmm_pause_end(VmmPause *pause, guint64 *stood_ns, GError **error);

/* When nothing else helps: leaves the guest stopped, to be put right and resumed by whoever executes the will, which
 * begins when MACHINE is freed. The pause is gone afterwards. */
void vmm_pause_abandon(VmmPause *pause);

/* For the ways out that do not care: resumes, and logs a failure to do so. */
void vmm_pause_free(VmmPause *pause);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmPause, vmm_pause_free)

#endif
