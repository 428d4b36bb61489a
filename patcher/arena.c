/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/arena-private.h"

#include <string.h>

#include "introspect/code-areas.h"
#include "patcher/error.h"

void
patch_arena_free(PatchArena *arena)
{
    if (!arena)
        return;
    g_clear_pointer(&arena->holes, g_array_unref);
    g_clear_pointer(&arena->tails, g_array_unref);
    g_ptr_array_unref(arena->offered);
    g_array_unref(arena->taken);
    g_ptr_array_unref(arena->records);
    g_ptr_array_unref(arena->kept);
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
patch_arena_kept(const PatchArena *arena)
{
    return arena->kept;
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

/* What can be at fault is noted. */
static void
add_record(PatchArena *arena, PatchRecord *record, GuestVa va, const char *damage)
{
    if (record && record->state == PATCH_STATE_KEPT) {
        g_ptr_array_add(arena->kept, record);
        return;
    }
    if (record && patch_arena_can_hold(arena, record->jumps->len + record->values->len)) {
        arena->n_changes += record->jumps->len + record->values->len;
        patch_arena_note_taken(arena, &record->data);
        g_ptr_array_add(arena->records, record);
        return;
    }
    g_ptr_array_add(arena->damaged, damage ? g_strdup(damage) : g_strdup_printf(
                    "the patch record at %#" G_GINT64_MODIFIER "x in the guest, with those before it, claims more changes than "
                    "there can be; nothing can be concluded from it", va));
    patch_record_unref(record);
}

static gboolean
load_block(PatchArena *arena, GuestVa va, guint64 length, guint8 filler, GError **error)
{
    g_autofree guint8 *bytes = g_malloc(length);
    g_autoptr(GError) damage = NULL;
    PatchRecord *record;

    patch_arena_note_taken(arena, &(PatchArea) { va, length });
    if (!intro_space_read(intro_kernel_space(arena->kernel), va, bytes, length, error))
        return FALSE;
    record = patch_record_load(va, bytes, length, &damage);
    if (record && record->region_bytes > 0) {
        g_set_error(&damage, PATCH_ERROR, PATCH_ERROR_FAILED, "the patch record at %#" G_GINT64_MODIFIER "x in the guest "
                    "speaks of memory that is not there; nothing can be concluded from it", va);
        g_clear_pointer(&record, patch_record_unref);
    }
    if (record)
        record->filler = filler;
    add_record(arena, record, va, damage ? damage->message : NULL);
    return TRUE;
}

static PatchRecord *
owner_of_data(const PatchArena *arena, const PatchArea *area)
{
    for (guint i = 0; i < arena->records->len; i++) {
        PatchRecord *record = arena->records->pdata[i];

        if (record->data.va == area->va && record->data.length >= area->length)
            return record;
    }
    return NULL;
}

/* What is kept in a hole for data, be it a part of an update yet, or what is left of one. All others are none of ours. */
static gboolean
load_kept(PatchArena *arena, GuestVa va, guint64 length, GError **error)
{
    g_autofree guint8 *bytes = g_malloc(length);
    g_autoptr(PatchRecord) kept = NULL;
    PatchRecord *owner;

    if (!intro_space_read(intro_kernel_space(arena->kernel), va, bytes, length, error))
        return FALSE;
    kept = patch_record_load(va, bytes, length, NULL);
    if (!kept || kept->state != PATCH_STATE_KEPT || kept->region_bytes > 0)
        return TRUE;
    owner = owner_of_data(arena, &kept->block);
    if (owner) {
        owner->kept = kept->block;
    } else {
        patch_arena_note_taken(arena, &kept->block);
        g_ptr_array_add(arena->kept, g_steal_pointer(&kept));
    }
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
            length > (n_pages - i) * PATCH_PAGE_BYTES || length % PATCH_PAGE_BYTES != 0) {
            i++;
            continue;
        }
        if (!(hole->executable ? load_block(arena, hole->va + i * PATCH_PAGE_BYTES, length, PATCH_EMPTY_TEXT, error)
                               : load_kept(arena, hole->va + i * PATCH_PAGE_BYTES, length, error)))
            return FALSE;
        i += length / PATCH_PAGE_BYTES;
    }
    return TRUE;
}

static gboolean
scan_tail(PatchArena *arena, const IntroHole *tail, GError **error)
{
    const IntroSpace *space = intro_kernel_space(arena->kernel);
    const PatchArea area = patch_arena_area_of_tail(tail);
    guint8 header[PATCH_BLOCK_HEADER_BYTES], filler;
    guint64 length;

    if (area.length < sizeof header)
        return TRUE;
    if (!intro_space_read(space, area.va, header, sizeof header, error) ||
        !intro_space_read(space, tail->va, &filler, sizeof filler, error))
        return FALSE;
    return !patch_record_is_header(header, &length) || length != area.length ||
           load_block(arena, area.va, length, filler, error);
}

/* Whether AREA is memory that was got for a block: not if a module is in it that is none of ours. */
static gboolean
is_region(const PatchArena *arena, const IntroCodeArea *area, const PatchRecord *record)
{
    GPtrArray *modules = intro_kernel_modules(arena->kernel);

    for (guint i = 0; i < modules->len; i++) {
        const IntroModule *module = modules->pdata[i];

        if (module->base >= area->va && module->base - area->va < area->bytes && module->module != record->known_va &&
            !g_str_has_prefix(module->name, "vlp_"))
            return FALSE;
    }
    return record->region_bytes == area->bytes && record->block.length == area->code_bytes;
}

/* What the guest's kernel gives back meanwhile, or never was a block, is passed over. */
static void
scan_area(PatchArena *arena, const IntroCodeArea *area)
{
    const IntroSpace *space = intro_kernel_space(arena->kernel);
    guint8 header[PATCH_BLOCK_HEADER_BYTES];
    g_autofree guint8 *block = NULL;
    g_autoptr(GError) damage = NULL;
    PatchRecord *record;
    guint64 length;

    if (!intro_space_read(space, area->va, header, sizeof header, NULL) || !patch_record_is_header(header, &length) ||
        length != area->code_bytes)
        return;
    block = g_malloc(length);
    if (!intro_space_read(space, area->va, block, length, NULL))
        return;
    record = patch_record_load(area->va, block, length, &damage);
    if (record && !is_region(arena, area, record)) {
        patch_record_unref(record);
        return;
    }
    add_record(arena, record, area->va, damage ? damage->message : NULL);
}

static gboolean
scan_holes(PatchArena *arena, gboolean executable, GError **error)
{
    for (guint i = 0; i < arena->holes->len; i++) {
        const IntroHole *hole = &g_array_index(arena->holes, IntroHole, i);

        if (!hole->executable == !executable && !scan_hole(arena, hole, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
scan(PatchArena *arena, GError **error)
{
    g_autoptr(GArray) areas = NULL;

    if (!scan_holes(arena, TRUE, error))
        return FALSE;
    for (guint i = 0; i < arena->tails->len; i++) {
        const IntroHole *tail = &g_array_index(arena->tails, IntroHole, i);

        if (tail->executable && !scan_tail(arena, tail, error))
            return FALSE;
    }
    areas = intro_code_areas(arena->kernel, error);
    for (guint i = 0; areas && i < areas->len; i++)
        scan_area(arena, &g_array_index(areas, IntroCodeArea, i));
    return areas && scan_holes(arena, FALSE, error);
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
    arena->kept = g_ptr_array_new_with_free_func((GDestroyNotify) patch_record_unref);
    arena->damaged = g_ptr_array_new_with_free_func(g_free);
    arena->gone = g_hash_table_new(NULL, NULL);
    arena->offered = g_ptr_array_new_with_free_func((GDestroyNotify) patch_record_unref);
    arena->holes = intro_kernel_holes(kernel, error);
    arena->tails = arena->holes ? intro_kernel_tails(kernel, error) : NULL;
    if (!arena->tails || !scan(arena, error))
        return NULL;
    g_ptr_array_sort(arena->records, compare_age);
    settle_states(arena);
    return g_steal_pointer(&arena);
}
