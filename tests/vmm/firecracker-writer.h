/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state file of a Firecracker snapshot, made by hand.
 */
#ifndef TESTS_VMM_FIRECRACKER_WRITER_H
#define TESTS_VMM_FIRECRACKER_WRITER_H

#include "vmm/machine.h"

typedef struct {
    guint release;              /* of Firecracker: 12, 13 or 14, for 1.12 to 1.14 */
    const char *version;        /* of the format; NULL: that release's */
    const VmmVcpu *vcpus;
    guint n_vcpus;
    const VmmRange *ranges;
    guint n_ranges;
    gboolean is_pluggable;      /* the last range is memory that can be plugged in (1.14) */
} FirecrackerState;

/* To be freed. */
GByteArray *firecracker_state_write(const FirecrackerState *state);

/* Puts the checksum behind what was altered in BYTES, the last eight of which it is. */
void firecracker_state_seal(GByteArray *bytes);

#endif
