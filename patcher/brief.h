/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes that can be made while the guest runs, since nothing in it uses their places: in stops that are each as short
 * as one can be.
 */
#ifndef PATCHER_BRIEF_H
#define PATCHER_BRIEF_H

#include "patcher/guest.h"

/* Stops of the guest: how many, and how long. */
typedef struct {
    guint n;
    guint64 total_ns, longest_ns;
} PatchPauses;

void patch_pauses_add(PatchPauses *pauses, const PatchPauses *more);

/* Stops the guest at a moment at which some vCPU runs the kernel that was looked at. While all of them execute guests of the guest's,
 * it takes several stops until one has come back for a moment; those are added to PAUSES. PATCH_ERROR_NOT_NOW: it took too many, or
 * the guest was reset. */
VmmPause *patch_pause_begin(const PatchGuest *guest, PatchPauses *pauses, GError **error);

/* Guest memory that shows that this is still the kernel which was looked at, for the guest can be reset at any time. */
typedef struct {
    VmmChunk chunk;
    guint8 bytes[64];
} PatchProof;

/* What is at VA now. PROOF must stay where it is. */
gboolean patch_proof_take(PatchProof *proof, const IntroKernel *kernel, GuestVa va, GError **error);

/* To be asked in a pause, for the answer to hold. PATCH_ERROR_NOT_NOW if it is another kernel. */
gboolean patch_proof_check(const PatchProof *proof, const VmmReader *reader, GError **error);

/* Writes CHUNKS (of VmmChunk) in this order, and adds the stops to PAUSES. On an error, part of it may be written. */
gboolean patch_write_briefly(const PatchGuest *guest, const PatchProof *proof, const GArray *chunks,
                             PatchPauses *pauses, GError **error);

#endif
