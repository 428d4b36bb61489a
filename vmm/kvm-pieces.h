/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pieces that clients of docs/kvm-protocol.md send to be written, at once or as their last will. They may be anything.
 */
#ifndef VMM_KVM_PIECES_H
#define VMM_KVM_PIECES_H

#include "vmm/kvm-control.h"

/* TRUE if all of DATA is pieces that lie in MACHINE's memory, each in one region. */
gboolean vmm_kvm_pieces_are_memory(const VmmControlled *machine, const guint8 *data, gsize length);

/* In a pause: writes them, in their order. Errors: those of MACHINE's write. */
gboolean vmm_kvm_pieces_write(const VmmControlled *machine, const guint8 *data, gsize length, GError **error);

/* The same for a will: only if its first piece, the proof, is what is in memory; then the others are written. */
void vmm_kvm_pieces_execute(const VmmControlled *machine, const guint8 *will, gsize length);

#endif
