/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes a memory image as core-file.h reads it.
 */
#ifndef VMM_CORE_WRITE_H
#define VMM_CORE_WRITE_H

#include "vmm/machine.h"

/* One more note. */
typedef struct {
    const char *owner;
    guint32 type;
    const void *data;
    gsize length;
} VmmCoreNote;

typedef struct {
    const VmmVcpu *vcpus;
    guint n_vcpus;
    const VmmRange *ranges;         /* ascending, without overlaps */
    guint n_ranges;
    const VmmCoreNote *notes;       /* besides those of the vCPUs */
    guint n_notes;
    gboolean (*read)(gpointer data, GuestPa pa, void *buffer, gsize length, GError **error);
    gpointer data;
} VmmCoreSource;

/* Writes it to FD, a new file. Memory that is all zeros takes no room. Errors: UNREACHABLE, those of SOURCE's read. */
gboolean vmm_core_write(int fd, const VmmCoreSource *source, GError **error);

#endif
