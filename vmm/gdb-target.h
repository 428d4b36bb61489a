/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where each register lies in a gdb stub's `g` packet, as the stub's own target description (XML) tells.
 */
#ifndef VMM_GDB_TARGET_H
#define VMM_GDB_TARGET_H

#include "vmm/vcpu.h"

typedef struct VmmGdbTarget VmmGdbTarget;

VmmGdbTarget *vmm_gdb_target_new(void);
void vmm_gdb_target_free(VmmGdbTarget *target);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmGdbTarget, vmm_gdb_target_free)

/* Adds the registers of one document, in the order of the `g` packet; the names of the documents it includes are
 * appended to INCLUDES (of char *, freed by it). Errors: PROTOCOL. */
gboolean vmm_gdb_target_add(VmmGdbTarget *target, const char *xml, gsize length, GPtrArray *includes, GError **error);

/* To be called when all documents are in. Errors: UNSUPPORTED if a register that VmmVcpu has is missing. */
gboolean vmm_gdb_target_finish(VmmGdbTarget *target, GError **error);

/* Fills VCPU, but for its index, from the bytes of a `g` packet. Errors: PROTOCOL. */
gboolean vmm_gdb_target_decode(const VmmGdbTarget *target, const guint8 *bytes, gsize length, VmmVcpu *vcpu,
                               GError **error);

#endif
