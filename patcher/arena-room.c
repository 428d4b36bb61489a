/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding room in the arena. */
#include "patcher/arena-private.h"

#include "patcher/error.h"

void
patch_arena_note_taken(PatchArena *arena, const PatchArea *area)
{
    if (area->length > 0)
        g_array_append_val(arena->taken, *area);
}

PatchArea
patch_arena_area_of_tail(const IntroHole *tail)
{
    GuestVa end = tail->va + tail->length, va = (tail->va + PATCH_BLOCK_ALIGNMENT) & ~(GuestVa) (PATCH_BLOCK_ALIGNMENT - 1);

    return (PatchArea) { va, end > va ? end - va : 0 };
}

/* The end of what is taken at VA, or VA itself if nothing of the LENGTH bytes there is. */
static GuestVa
behind_taken(const PatchArena *arena, GuestVa va, guint64 length)
{
    for (guint i = 0; i < arena->taken->len; i++) {
        const PatchArea *area = &g_array_index(arena->taken, PatchArea, i);

        if (area->va < va + length && va < area->va + area->length)
            return area->va + area->length;
    }
    return va;
}

static gboolean
is_empty(const PatchArena *arena, GuestVa va, guint64 length, guint8 filler)
{
    g_autofree guint8 *bytes = g_malloc(length);

    if (!intro_space_read(intro_kernel_space(arena->kernel), va, bytes, length, NULL))
        return FALSE;
    for (guint64 i = 0; i < length; i++)
        if (bytes[i] != filler)
            return FALSE;
    return TRUE;
}

static gboolean
take_from_hole(PatchArena *arena, const IntroHole *hole, guint64 length, PatchArea *area)
{
    GuestVa va = hole->va, end = hole->va + hole->length;

    while (length <= end - va) {
        GuestVa next = behind_taken(arena, va, length);

        if (next == va && is_empty(arena, va, length, hole->executable ? PATCH_EMPTY_TEXT : 0)) {
            *area = (PatchArea) { va, length };
            patch_arena_note_taken(arena, area);
            return TRUE;
        }
        va = next == va ? va + PATCH_PAGE_BYTES : (next + PATCH_PAGE_BYTES - 1) & ~(guint64) (PATCH_PAGE_BYTES - 1);
        if (va > end)
            break;
    }
    return FALSE;
}

static gboolean
take_tail(PatchArena *arena, const IntroHole *tail, guint64 bytes, PatchArea *area, guint8 *filler)
{
    *area = patch_arena_area_of_tail(tail);
    if (area->length < bytes || behind_taken(arena, area->va, area->length) != area->va ||
        !intro_space_read(intro_kernel_space(arena->kernel), tail->va, filler, sizeof *filler, NULL) ||
        (!tail->executable && *filler != 0) || !is_empty(arena, area->va, area->length, *filler))
        return FALSE;
    patch_arena_note_taken(arena, area);
    return TRUE;
}

/* The smallest tail that will do. */
static gboolean
take_from_tails(PatchArena *arena, gboolean executable, guint64 bytes, PatchArea *area, guint8 *filler)
{
    for (guint i = arena->tails->len; i > 0; i--) {
        const IntroHole *tail = &g_array_index(arena->tails, IntroHole, i - 1);

        if (tail->executable == executable && take_tail(arena, tail, bytes, area, filler))
            return TRUE;
    }
    return FALSE;
}

static guint64
whole_pages(guint64 bytes)
{
    return (bytes + PATCH_PAGE_BYTES - 1) & ~(guint64) (PATCH_PAGE_BYTES - 1);
}

static gboolean
take_from_image(PatchArena *arena, gboolean executable, guint64 bytes, gboolean may_be_tail, PatchArea *area,
                guint8 *filler)
{
    for (guint i = 0; i < arena->holes->len; i++) {
        const IntroHole *hole = &g_array_index(arena->holes, IntroHole, i);

        if (hole->executable == executable && take_from_hole(arena, hole, whole_pages(bytes), area)) {
            *filler = executable ? PATCH_EMPTY_TEXT : 0;
            return TRUE;
        }
    }
    return may_be_tail && take_from_tails(arena, executable, bytes, area, filler);
}

static gboolean
take_both(PatchArena *arena, const PatchRoom *room, PatchRecord *record)
{
    guint n_taken = arena->taken->len;
    guint8 zero;

    record->data = (PatchArea) { 0 };
    if (!take_from_image(arena, TRUE, room->text_bytes, room->may_be_tail, &record->block, &record->filler))
        return FALSE;
    if (room->data_bytes == 0 ||
        take_from_image(arena, FALSE, room->data_bytes, room->may_be_tail, &record->data, &zero))
        return TRUE;
    g_array_set_size(arena->taken, n_taken);
    return FALSE;
}

static gboolean
take_offered(PatchArena *arena, const PatchRoom *room, PatchRecord *record)
{
    for (guint i = 0; room->may_be_region && i < arena->offered->len; i++) {
        const PatchRecord *region = arena->offered->pdata[i];
        const PatchArea data = patch_record_region_data(region);

        if (region->block.length < room->text_bytes || data.length < room->data_bytes)
            continue;
        record->block = region->block;
        record->region_bytes = region->region_bytes;
        record->filler = PATCH_EMPTY_TEXT;
        record->data = room->data_bytes > 0 ? data : (PatchArea) { 0 };
        g_ptr_array_remove_index(arena->offered, i);
        return TRUE;
    }
    return FALSE;
}

gboolean
patch_arena_take(PatchArena *arena, const PatchRoom *room, PatchRecord *record, GError **error)
{
    record->region_bytes = 0;
    if (take_both(arena, room, record) || take_offered(arena, room, record))
        return TRUE;
    arena->missing = (PatchRoom) { whole_pages(room->text_bytes), whole_pages(room->data_bytes) };
    g_set_error(error, PATCH_ERROR, room->may_be_region ? PATCH_ERROR_NO_ROOM : PATCH_ERROR_DOES_NOT_FIT,
                "the guest's kernel image has no unused room of %" G_GUINT64_FORMAT " bytes for new code and %"
                G_GUINT64_FORMAT " for new data", arena->missing.text_bytes, arena->missing.data_bytes);
    return FALSE;
}

PatchRoom
patch_arena_missing(const PatchArena *arena)
{
    return arena->missing;
}

gboolean
patch_arena_offer(PatchArena *arena, GuestVa va)
{
    for (guint i = 0; i < arena->records->len; i++) {
        const PatchRecord *record = arena->records->pdata[i];

        if (record->block.va != va || record->region_bytes == 0 || record->state != PATCH_STATE_CLAIMED)
            continue;
        g_ptr_array_add(arena->offered, patch_record_ref(record));
        g_ptr_array_remove_index(arena->records, i);
        return TRUE;
    }
    return FALSE;
}

/* Its place is the beginning of the image, where nothing is written. */
void
patch_arena_imagine(PatchArena *arena, const PatchRoom *region)
{
    PatchRecord *record = patch_record_new();

    record->block = (PatchArea) { intro_kernel_text_start(arena->kernel), region->text_bytes };
    record->region_bytes = region->text_bytes + region->data_bytes;
    g_ptr_array_add(arena->offered, record);
}
