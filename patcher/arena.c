/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/arena.h"

#include "patcher/error.h"

struct PatchArena {
    const IntroKernel *kernel;
    GArray *holes;              /* of IntroHole */
    GArray *taken;              /* of PatchArea */
    GPtrArray *records, *damaged;
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
    g_free(arena);
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

const PatchRecord *
patch_arena_find(const PatchArena *arena, const char *id, GError **error)
{
    for (guint i = 0; i < arena->records->len; i++) {
        const PatchRecord *record = arena->records->pdata[i];

        if (g_str_equal(record->id, id))
            return record;
    }
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED,
                "no update %s is installed in this guest; view lists those that are", id);
    return NULL;
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
    if (record) {
        take(arena, &record->data);
        g_ptr_array_add(arena->records, record);
    } else {
        g_ptr_array_add(arena->damaged, g_strdup(damage->message));
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

    return (one->applied_at > other->applied_at) - (one->applied_at < other->applied_at);
}

PatchArena *
patch_arena_open(const IntroKernel *kernel, GError **error)
{
    g_autoptr(PatchArena) arena = g_new0(PatchArena, 1);

    arena->kernel = kernel;
    arena->taken = g_array_new(FALSE, FALSE, sizeof(PatchArea));
    arena->records = g_ptr_array_new_with_free_func((GDestroyNotify) patch_record_free);
    arena->damaged = g_ptr_array_new_with_free_func(g_free);
    arena->holes = intro_kernel_holes(kernel, error);
    if (!arena->holes)
        return NULL;
    for (guint i = 0; i < arena->holes->len; i++) {
        const IntroHole *hole = &g_array_index(arena->holes, IntroHole, i);

        if (hole->executable && !scan_hole(arena, hole, error))
            return NULL;
    }
    g_ptr_array_sort(arena->records, compare_age);
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
