/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/kept-search.h"

#include <string.h>

#include "patcher/kept.h"

typedef struct {
    const IntroKernel *kernel;
    const PatchResolved *resolved;
    const PatchPiece *piece;
    guint32 index;
    GuestVa *vas;               /* of pieces, as they would be linked */
} Search;

/* What the piece refers to has its final place. */
static gboolean
is_settled(const PatchPiece *piece, const PatchHome *homes)
{
    for (guint i = 0; i < piece->code->fixups->len; i++) {
        const PatchFixup *fixup = &g_array_index(piece->code->fixups, PatchFixup, i);

        if (fixup->target == PATCH_TARGET_PIECE && homes[fixup->index] != PATCH_HOME_FOUND)
            return FALSE;
    }
    return TRUE;
}

/* Whether PLACED is what the piece would be there. */
static gboolean
is_the_same(const Search *search, const PatchPlaced *placed)
{
    gsize size = search->piece->size;
    g_autofree guint8 *wanted = NULL, *there = NULL;

    if (!placed->stays || patch_kept_is_variable(placed) || placed->size != size ||
        placed->va % MAX(search->piece->alignment, 1) != 0)
        return FALSE;
    wanted = g_malloc(size);
    there = g_malloc(size);
    search->vas[search->index] = placed->va;
    return patch_link_piece(search->kernel, search->resolved, search->index, search->vas, wanted, NULL) &&
           intro_space_read(intro_kernel_space(search->kernel), placed->va, there, size, NULL) &&
           memcmp(wanted, there, size) == 0;
}

static gboolean
find_piece(const Search *search, const GPtrArray *records)
{
    for (guint r = 0; r < records->len; r++) {
        const PatchRecord *record = records->pdata[r];

        for (guint i = 0; i < record->placed->len; i++)
            if (is_the_same(search, record->placed->pdata[i]))
                return TRUE;
    }
    return FALSE;
}

/* A table is found once the strings that it leads to are. */
void
patch_kept_find(const IntroKernel *kernel, const PatchArena *arena, const PatchResolved *resolved, PatchHome *homes, GuestVa *vas)
{
    const PatchObject *object = patch_resolved_object(resolved);
    const GPtrArray *records = patch_arena_kept(arena);
    gboolean is_news = records->len > 0;

    while (is_news) {
        is_news = FALSE;
        for (guint i = 0; i < object->pieces->len; i++) {
            const Search search = { kernel, resolved, object->pieces->pdata[i], i, vas };

            if (homes[i] != PATCH_HOME_KEPT || search.piece->kind != PATCH_PIECE_RODATA ||
                !is_settled(search.piece, homes) || !find_piece(&search, records))
                continue;
            homes[i] = PATCH_HOME_FOUND;
            is_news = TRUE;
        }
    }
}
