/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A last will: what is to be written to a guest if this process dies, for the guard (guard.h) to carry out.
 *
 * It lies in memory that both processes share, and is replaced in one go: at any instant, either the earlier or the
 * later will holds. The proof is guest memory that has to read as it says, or nothing is written: a guest that has been
 * reset meanwhile has no use for it.
 */
#ifndef VMM_WILL_H
#define VMM_WILL_H

#include "vmm/machine.h"

typedef struct VmmWill VmmWill;

/* An empty one. Errors: UNSUPPORTED. */
VmmWill *vmm_will_new(GError **error);
void vmm_will_free(VmmWill *will);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmWill, vmm_will_free)

/* The file that holds it; owned by the will. */
int vmm_will_fd(const VmmWill *will);

/* Replaces it, by PROOF and CHUNKS, which are copied. Errors: UNSUPPORTED (no memory); the earlier one holds then. */
gboolean vmm_will_write(VmmWill *will, const VmmChunk *proof, const VmmChunk *chunks, gsize n_chunks, GError **error);

/* Empties it. */
void vmm_will_clear(VmmWill *will);

gboolean vmm_will_is_empty(const VmmWill *will);

/* What it says: of VmmChunk, the proof first; no element if it is empty. The bytes are in *STORE. Both are to be
 * unreferenced. NULL if it cannot be read. */
GArray *vmm_will_read(const VmmWill *will, GBytes **store);

#endif
