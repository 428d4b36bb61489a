/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A memory image in the compressed kdump format, as QEMU's dump-guest-memory and `virsh dump --memory-only --format kdump-zlib`
 * write it: two bitmaps of pages, a descriptor of each page that is there, and the pages, each compressed for itself; the
 * vCPUs' registers are in the same notes as in an ELF file. Of the ways to compress, zlib's is known.
 *
 * Own code, since what libraries there are (libkdumpfile 0.5.1) crash on damaged files, and these may come from anyone: it is
 * bounded in every number.
 *
 * Sources: makedumpfile's diskdump_mod.h and IMPLEMENTATION; QEMU's include/sysemu/dump.h.
 */
#ifndef VMM_KDUMP_H
#define VMM_KDUMP_H

#include "vmm/core-file.h"

typedef struct VmmKdump VmmKdump;

/* Whether what FD begins with says so. */
gboolean vmm_kdump_is(int fd);

/* Adds to FILE what memory and vCPUs there are; the offset of a segment is that of its first page's descriptor. FD stays the
 * caller's, and open. Errors: PROTOCOL (damaged or cut off), UNSUPPORTED. */
VmmKdump *vmm_kdump_new(int fd, VmmCoreFile *file, GError **error);
void vmm_kdump_free(VmmKdump *kdump);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmKdump, vmm_kdump_free)

/* LENGTH bytes from PA on, all in SEGMENT. Errors: PROTOCOL, UNSUPPORTED (compressed in another way), LOST. */
gboolean vmm_kdump_read(VmmKdump *kdump, const VmmCoreSegment *segment, guint64 pa, void *buffer, gsize length,
                        GError **error);

#endif
