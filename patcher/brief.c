/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/brief.h"

#include <string.h>

#include "patcher/error.h"
#include "patcher/reset.h"

/* What QEMU takes in about the time that a stop takes anyway. */
#define BYTES_AT_A_TIME 16384

/* Of a thousand moments of a guest whose vCPUs do nothing but execute guests of its own, some thirty are its kernel's. */
#define MAX_STOPS 300

void
patch_pauses_add(PatchPauses *pauses, const PatchPauses *more)
{
    pauses->n += more->n;
    pauses->total_ns += more->total_ns;
    pauses->longest_ns = MAX(pauses->longest_ns, more->longest_ns);
}

static void
add_pause(PatchPauses *pauses, guint64 stood_ns)
{
    pauses->n++;
    pauses->total_ns += stood_ns;
    pauses->longest_ns = MAX(pauses->longest_ns, stood_ns);
}

VmmPause *
patch_pause_begin(const PatchGuest *guest, PatchPauses *pauses, GError **error)
{
    gboolean goes_on = !patch_guest_stands_still(guest) && !guest->left_stopped;

    for (guint i = 0; i == 0 || (goes_on && i < MAX_STOPS); i++) {
        g_autoptr(VmmPause) pause = vmm_pause_begin(guest->machine, error);
        guint64 stood_ns;

        if (!pause)
            return NULL;
        if (patch_reset_runs_kernel(guest, pause))
            return g_steal_pointer(&pause);
        if (!vmm_pause_end(g_steal_pointer(&pause), &stood_ns, error))
            return NULL;
        add_pause(pauses, stood_ns);
    }
    g_set_error_literal(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                        "no vCPU was seen in the guest's kernel: the guest has been reset, or all vCPUs are busy with guests of its "
                        "own. Try again");
    return NULL;
}

gboolean
patch_proof_take(PatchProof *proof, const IntroKernel *kernel, GuestVa va, GError **error)
{
    IntroMapping mapping;

    if (!intro_space_translate(intro_kernel_space(kernel), va, &mapping, error))
        return FALSE;
    proof->chunk = (VmmChunk) { mapping.pa, proof->bytes, sizeof proof->bytes };
    return vmm_read(intro_kernel_reader(kernel), mapping.pa, proof->bytes, sizeof proof->bytes, error);
}

gboolean
patch_proof_check(const PatchProof *proof, const VmmReader *reader, GError **error)
{
    guint8 now[sizeof proof->bytes];

    if (!vmm_read(reader, proof->chunk.pa, now, sizeof now, error))
        return FALSE;
    if (memcmp(now, proof->bytes, sizeof now) == 0)
        return TRUE;
    return patch_reset_set_error(error);
}

/* CHUNKS in pieces small enough for one stop. */
static GArray *
cut(const GArray *chunks)
{
    GArray *pieces = g_array_new(FALSE, FALSE, sizeof(VmmChunk));

    for (guint i = 0; i < chunks->len; i++) {
        VmmChunk left = g_array_index(chunks, VmmChunk, i);

        while (left.length > 0) {
            VmmChunk piece = { left.pa, left.data, MIN(left.length, BYTES_AT_A_TIME) };

            g_array_append_val(pieces, piece);
            left = (VmmChunk) {
                guest_pa_add(left.pa, piece.length), (const guint8 *) left.data + piece.length,
                left.length - piece.length,
            };
        }
    }
    return pieces;
}

static gboolean
write_some(const PatchGuest *guest, const PatchProof *proof, const VmmChunk *pieces, guint n, PatchPauses *pauses,
           GError **error)
{
    g_autoptr(VmmPause) pause = patch_pause_begin(guest, pauses, error);
    guint64 stood_ns;

    if (!pause || !patch_proof_check(proof, vmm_machine_reader(guest->machine), error) ||
        !vmm_pause_write(pause, pieces, n, error) || !vmm_pause_end(g_steal_pointer(&pause), &stood_ns, error))
        return FALSE;
    add_pause(pauses, stood_ns);
    return TRUE;
}

gboolean
patch_write_briefly(const PatchGuest *guest, const PatchProof *proof, const GArray *chunks, PatchPauses *pauses,
                    GError **error)
{
    g_autoptr(GArray) pieces = cut(chunks);

    for (guint done = 0; done < pieces->len;) {
        gsize bytes = 0;
        guint n = 0;

        do
            bytes += g_array_index(pieces, VmmChunk, done + n++).length;
        while (done + n < pieces->len &&
               bytes + g_array_index(pieces, VmmChunk, done + n).length <= BYTES_AT_A_TIME);
        if (!write_some(guest, proof, &g_array_index(pieces, VmmChunk, done), n, pauses, error))
            return FALSE;
        done += n;
    }
    return TRUE;
}
