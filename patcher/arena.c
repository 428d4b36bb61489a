/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/arena.h"

#include <string.h>

#include "patcher/error.h"

struct PatchArena {
    const IntroKernel *kernel;
    GArray *holes;              /* of IntroHole */
    GArray *taken;              /* of PatchArea */
    GPtrArray *records, *damaged;
    guint n_changes;            /* jumps and values, of all records */
    GHashTable *gone;           /* of PatchRecord, to a boolean */
};

void
patch_arena_free(PatchArena *arena)
{
    if (!arena)
        return;
    g_clear_pointer(&arena->holes, g_array_unref);
    g_array_unref(arena->taken);
    g_ptr_array_unref(arena->records);
    g_ptr_array_unref(arena->damaged);
    g_hash_table_unref(arena->gone);
    g_free(arena);
}

GHashTable *
patch_arena_gone(const PatchArena *arena)
{
    return arena->gone;
}

const GArray *
patch_arena_holes(const PatchArena *arena)
{
    return arena->holes;
}

GPtrArray *
patch_arena_records(const PatchArena *arena)
{
    return arena->records;
}

GPtrArray *
patch_arena_damaged(const PatchArena *arena)
{
    return arena->damaged;
}

gboolean
patch_arena_has(const PatchArena *arena, const char *id)
{
    for (guint i = 0; i < arena->records->len; i++)
        if (strcmp(((const PatchRecord *) arena->records->pdata[i])->id, id) == 0)
            return TRUE;
    return FALSE;
}

guint64
patch_arena_next_sequence(const PatchArena *arena)
{
    guint64 last = 0;

    for (guint i = 0; i < arena->records->len; i++)
        last = MAX(last, ((const PatchRecord *) arena->records->pdata[i])->sequence);
    return last + 1;
}

gboolean
patch_arena_check_settled(const PatchArena *arena, GError **error)
{
    for (guint i = 0; i < arena->records->len; i++) {
        const PatchRecord *record = arena->records->pdata[i];

        if (record->state == PATCH_STATE_INSTALLED)
            continue;
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                    "an apply or undo of update %s was interrupted in this guest, or is going on; recover finishes "
                    "what was interrupted", record->id);
        return FALSE;
    }
    return TRUE;
}

/* The part of FROM, which belongs at VA, that lies in the LENGTH bytes at START: its length, and both offsets. */
static gsize
overlap(GuestVa start, gsize length, GuestVa va, GBytes *from, gsize *to_offset, gsize *from_offset)
{
    GuestVa first = MAX(start, va), end = MIN(start + length, va + g_bytes_get_size(from));

    if (first >= end)
        return 0;
    *to_offset = first - start;
    *from_offset = first - va;
    return end - first;
}

void
patch_arena_take_jumps_out(const PatchArena *arena, GuestVa va, guint8 *bytes, gsize length)
{
    for (guint i = 0; i < arena->records->len; i++) {
        const PatchRecord *record = arena->records->pdata[i];

        for (guint j = 0; j < record->jumps->len; j++) {
            const PatchJump *jump = record->jumps->pdata[j];
            const guint8 *there = g_bytes_get_data(jump->jump, NULL), *before = g_bytes_get_data(jump->before, NULL);
            gsize to, from, n = overlap(va, length, jump->jump_va, jump->jump, &to, &from);

            if (n > 0 && memcmp(bytes + to, there + from, n) == 0)
                memcpy(bytes + to, before + from, n);
        }
    }
}

gboolean
patch_arena_can_hold(const PatchArena *arena, guint n_changes)
{
    return n_changes <= PATCH_MAX_CHANGES - arena->n_changes;
}

static void
take(PatchArena *arena, const PatchArea *area)
{
    if (area->length > 0)
        g_array_append_val(arena->taken, *area);
}

static gboolean
load_block(PatchArena *arena, GuestVa va, guint64 length, GError **error)
{
    g_autofree guint8 *bytes = g_malloc(length);
    g_autoptr(GError) damage = NULL;
    PatchRecord *record;

    take(arena, &(PatchArea) { va, length });
    if (!intro_space_read(intro_kernel_space(arena->kernel), va, bytes, length, error))
        return FALSE;
    record = patch_record_load(va, bytes, length, &damage);
    if (record && patch_arena_can_hold(arena, record->jumps->len + record->values->len)) {
        arena->n_changes += record->jumps->len + record->values->len;
        take(arena, &record->data);
        g_ptr_array_add(arena->records, record);
        return TRUE;
    }
    g_ptr_array_add(arena->damaged, damage ? g_strdup(damage->message) : g_strdup_printf(
                    "the patch record at %#" G_GINT64_MODIFIER "x in the guest, with those before it, claims more changes than "
                    "there can be; nothing can be concluded from it", va));
    patch_record_unref(record);
    return TRUE;
}

static gboolean
scan_hole(PatchArena *arena, const IntroHole *hole, GError **error)
{
    gsize n_pages = hole->length / PATCH_PAGE_BYTES;
    g_autofree guint8 *headers = g_malloc(n_pages * PATCH_BLOCK_HEADER_BYTES);
    g_autofree IntroExtent *extents = g_new(IntroExtent, n_pages);
    guint64 length;

    for (gsize i = 0; i < n_pages; i++)
        extents[i] = (IntroExtent) {
            hole->va + i * PATCH_PAGE_BYTES, headers + i * PATCH_BLOCK_HEADER_BYTES, PATCH_BLOCK_HEADER_BYTES
        };
    if (!intro_space_read_extents(intro_kernel_space(arena->kernel), extents, n_pages, error))
        return FALSE;
    for (gsize i = 0; i < n_pages;) {
        if (!patch_record_is_header(headers + i * PATCH_BLOCK_HEADER_BYTES, &length) ||
            length > (n_pages - i) * PATCH_PAGE_BYTES) {
            i++;
            continue;
        }
        if (!load_block(arena, hole->va + i * PATCH_PAGE_BYTES, length, error))
            return FALSE;
        i += length / PATCH_PAGE_BYTES;
    }
    return TRUE;
}

static gint
compare_age(gconstpointer a, gconstpointer b)
{
    const PatchRecord *one = *(PatchRecord *const *) a, *other = *(PatchRecord *const *) b;

    if (one->sequence != other->sequence)
        return one->sequence > other->sequence ? 1 : -1;
    return (one->block.va > other->block.va) - (one->block.va < other->block.va);
}

static gboolean
takes_place_of(const PatchRecord *record, const PatchRecord *other)
{
    for (guint i = 0; i < record->replaces->len; i++)
        if (g_array_index(record->replaces, GuestVa, i) == other->block.va)
            return other->sequence < record->sequence;
    return FALSE;
}

GPtrArray *
patch_arena_replaced_by(const PatchArena *arena, const PatchRecord *record)
{
    GPtrArray *replaced = g_ptr_array_new();

    for (guint i = 0; i < arena->records->len; i++)
        if (takes_place_of(record, arena->records->pdata[i]))
            g_ptr_array_add(replaced, arena->records->pdata[i]);
    return replaced;
}

/* What RECORD, as it lies there, says of OTHER. */
static PatchState
state_beside(const PatchRecord *record, PatchState state, const PatchRecord *other)
{
    gboolean one_update = strcmp(record->id, other->id) == 0;
    gboolean one_application = one_update && record->sequence == other->sequence;

    if (other->state != PATCH_STATE_INSTALLED)
        return other->state;
    if (state == PATCH_STATE_PREPARING && one_application)
        return PATCH_STATE_PREPARING;
    if (state == PATCH_STATE_REMOVING && one_update)
        return PATCH_STATE_REMOVING;
    return PATCH_STATE_INSTALLED;
}

/* First what applications and updates are in the middle of; only what is installed then takes the place of others. */
static void
settle_states(const PatchArena *arena)
{
    const GPtrArray *records = arena->records;
    g_autofree PatchState *said = g_new(PatchState, records->len);

    for (guint i = 0; i < records->len; i++)
        said[i] = ((const PatchRecord *) records->pdata[i])->state;
    for (guint i = 0; i < records->len; i++)
        for (guint j = 0; j < records->len; j++) {
            PatchRecord *other = records->pdata[j];

            other->state = state_beside(records->pdata[i], said[i], other);
        }
    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];

        for (guint j = 0; j < records->len && record->state == PATCH_STATE_INSTALLED; j++) {
            PatchRecord *other = records->pdata[j];

            if (other->state == PATCH_STATE_INSTALLED && takes_place_of(record, other))
                other->state = PATCH_STATE_REPLACED;
        }
    }
}

PatchArena *
patch_arena_open(const IntroKernel *kernel, GError **error)
{
    g_autoptr(PatchArena) arena = g_new0(PatchArena, 1);

    arena->kernel = kernel;
    arena->taken = g_array_new(FALSE, FALSE, sizeof(PatchArea));
    arena->records = g_ptr_array_new_with_free_func((GDestroyNotify) patch_record_unref);
    arena->damaged = g_ptr_array_new_with_free_func(g_free);
    arena->gone = g_hash_table_new(NULL, NULL);
    arena->holes = intro_kernel_holes(kernel, error);
    if (!arena->holes)
        return NULL;
    for (guint i = 0; i < arena->holes->len; i++) {
        const IntroHole *hole = &g_array_index(arena->holes, IntroHole, i);

        if (hole->executable && !scan_hole(arena, hole, error))
            return NULL;
    }
    g_ptr_array_sort(arena->records, compare_age);
    settle_states(arena);
    return g_steal_pointer(&arena);
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
take_from(PatchArena *arena, const IntroHole *hole, guint64 length, PatchArea *area)
{
    GuestVa va = hole->va, end = hole->va + hole->length;

    while (length <= end - va) {
        GuestVa next = behind_taken(arena, va, length);

        if (next == va && is_empty(arena, va, length, hole->executable ? PATCH_EMPTY_TEXT : 0)) {
            *area = (PatchArea) { va, length };
            take(arena, area);
            return TRUE;
        }
        va = next == va ? va + PATCH_PAGE_BYTES : (next + PATCH_PAGE_BYTES - 1) & ~(guint64) (PATCH_PAGE_BYTES - 1);
        if (va > end)
            break;
    }
    return FALSE;
}

gboolean
patch_arena_take(PatchArena *arena, gboolean executable, guint64 bytes, PatchArea *area, GError **error)
{
    guint64 length = (bytes + PATCH_PAGE_BYTES - 1) & ~(guint64) (PATCH_PAGE_BYTES - 1);

    for (guint i = 0; i < arena->holes->len; i++) {
        const IntroHole *hole = &g_array_index(arena->holes, IntroHole, i);

        if (hole->executable == executable && take_from(arena, hole, length, area))
            return TRUE;
    }
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                "the guest's kernel image has no unused room of %" G_GUINT64_FORMAT " bytes for new %s", length,
                executable ? "code" : "data");
    return FALSE;
}
