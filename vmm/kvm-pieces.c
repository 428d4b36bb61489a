/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/kvm-pieces.h"

#include <string.h>

/* Takes the first piece of what is at *POSITION, and moves that; FALSE if there is none, or it is damaged. */
static gboolean
next_piece(const guint8 *data, gsize length, gsize *position, VmmKvmPiece *piece, const guint8 **bytes)
{
    if (length - *position < sizeof *piece)
        return FALSE;
    memcpy(piece, data + *position, sizeof *piece);
    *position += sizeof *piece;
    if (piece->length > length - *position)
        return FALSE;
    *bytes = data + *position;
    *position += piece->length;
    return TRUE;
}

static gboolean
is_memory(const VmmControlled *machine, guint64 pa, guint64 length)
{
    for (guint i = 0; i < machine->n_regions; i++) {
        const VmmKvmRegion *region = &machine->regions[i];

        if (pa >= region->pa && pa - region->pa <= region->length && length <= region->length - (pa - region->pa))
            return TRUE;
    }
    return FALSE;
}

gboolean
vmm_kvm_pieces_are_memory(const VmmControlled *machine, const guint8 *data, gsize length)
{
    const guint8 *bytes;
    gsize position = 0;
    VmmKvmPiece piece;

    while (position < length)
        if (!next_piece(data, length, &position, &piece, &bytes) || !is_memory(machine, piece.pa, piece.length))
            return FALSE;
    return TRUE;
}

gboolean
vmm_kvm_pieces_write(const VmmControlled *machine, const guint8 *data, gsize length, GError **error)
{
    const guint8 *bytes;
    gsize position = 0;
    VmmKvmPiece piece;

    while (next_piece(data, length, &position, &piece, &bytes))
        if (!machine->ops->write(machine->self, piece.pa, bytes, piece.length, error))
            return FALSE;
    return TRUE;
}

static gboolean
holds_true(const VmmControlled *machine, const VmmKvmPiece *proof, const guint8 *bytes)
{
    g_autofree guint8 *now = g_malloc(proof->length);

    return machine->ops->read(machine->self, proof->pa, now, proof->length, NULL)
           && memcmp(now, bytes, proof->length) == 0;
}

void
vmm_kvm_pieces_execute(const VmmControlled *machine, const guint8 *will, gsize length)
{
    const guint8 *bytes = NULL;
    gsize position = 0;
    VmmKvmPiece proof;

    if (next_piece(will, length, &position, &proof, &bytes) && holds_true(machine, &proof, bytes))
        vmm_kvm_pieces_write(machine, will + position, length - position, NULL);
}
