/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Firecracker's snapshot of a microVM: a memory file, which holds the regions of guest memory one behind the other, and a
 * state file, which says where they belong and what the vCPUs' registers are.
 *
 * The state file is a 64-bit magic number, the format's version as a string, Firecracker's own structures as serde and
 * bincode write them (little-endian, integers of fixed size, lengths of 8 bytes, KVM's structures as strings of bytes), and
 * a CRC-64 of all that. What the structures are depends on the version; known are 6.0.0 (Firecracker 1.12) and 8.0.0 (1.13
 * and 1.14, which differ). Later ones are written by bitcode and are not read.
 *
 * Sources: Firecracker's src/vmm/src/snapshot/mod.rs, persist.rs, vstate/memory.rs, arch/x86_64/vm.rs and vcpu.rs; rust-vmm's
 * kvm-bindings, vm-allocator and vmm-sys-util; bincode's specification.
 * The file may come from anyone: it is bounded in every number, and nothing of it is believed before it is checked.
 */
#ifndef VMM_FIRECRACKER_H
#define VMM_FIRECRACKER_H

#include "vmm/core-file.h"

/* What STATE_FD says of a memory file of MEMORY_BYTES; segments' offsets are those in the memory file. STATE_FD stays the
 * caller's. Errors: UNSUPPORTED (another kind of file or version; the message says what to do), PROTOCOL (damaged, or of
 * another memory file), UNREACHABLE (cannot be read). */
VmmCoreFile *vmm_firecracker_read(int state_fd, guint64 memory_bytes, GError **error);

#endif
