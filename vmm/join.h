/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes that lie close together, made one: where every write is a message of its own, as with a gdb stub, that is what a
 * pause is spent on.
 */
#ifndef VMM_JOIN_H
#define VMM_JOIN_H

#include "vmm/machine.h"

typedef struct VmmJoined VmmJoined;

typedef gboolean (*VmmJoinRead)(gpointer data, const VmmExtent *extents, gsize n_extents, GError **error);

/*
 * Joins those of CHUNKS that follow each other and lie within one page with little between them. What lies between them is
 * read (once, with DATA), to be written back: so nothing else may change the guest's memory until it is written. What is
 * written last to a byte stays so. More than AT_ONCE bytes, which may be written only in part, are joined only as long as
 * their addresses ascend. CHUNKS is borrowed. Fails as READ does.
 */
VmmJoined *vmm_join(const VmmChunk *chunks, gsize n_chunks, gsize at_once, VmmJoinRead read, gpointer data,
                    GError **error);
void vmm_joined_free(VmmJoined *joined);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmJoined, vmm_joined_free)

const VmmChunk *vmm_joined_chunks(const VmmJoined *joined, gsize *n_chunks);

#endif
