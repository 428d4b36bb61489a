/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/room.h"

#include "patcher/error.h"

#define LIMIT_S 30.0            /* a busy host */
#define MAX_REGIONS 1024        /* a guest may make up as many as it likes */
#define RUNNERS_ID "aaaaaaaa"   /* of what gives back regions, which have no id any more */

typedef struct {
    GuestVa allocate, make_read_only, make_executable, make_data, make_writable, release;
    gboolean has_types;         /* ALLOCATE's first argument is one: */
    gint64 type;
} Functions;

static gboolean
find_first(const IntroKernel *kernel, const char *const *names, GuestVa *va, GError **error)
{
    for (; *names; names++)
        if (intro_symbols_address(intro_kernel_symbols(kernel), *names, va, names[1] ? NULL : error))
            return TRUE;
    return FALSE;
}

/* Since Linux 6.10 the allocator is execmem_alloc(); of the types that it knows, that for modules' data is never part of a
 * larger page that is executable already (include/linux/execmem.h). */
static gboolean
find_allocator(const IntroKernel *kernel, Functions *functions, GError **error)
{
    const IntroSymbols *symbols = intro_kernel_symbols(kernel);

    functions->has_types = intro_symbols_address(symbols, "execmem_alloc", &functions->allocate, NULL);
    if (functions->has_types)
        return intro_btf_enumerator(intro_kernel_btf(kernel), "EXECMEM_MODULE_DATA", &functions->type, error);
    return intro_symbols_address(symbols, "module_alloc", &functions->allocate, error);
}

static gboolean
find_functions(const IntroKernel *kernel, Functions *functions, GError **error)
{
    static const char *const releases[] = { "execmem_free", "module_memfree", "vfree", NULL };
    const IntroSymbols *symbols = intro_kernel_symbols(kernel);
    g_autoptr(GError) cause = NULL;

    if (find_allocator(kernel, functions, &cause) &&
        find_first(kernel, releases, &functions->release, &cause) &&
        intro_symbols_address(symbols, "set_memory_ro", &functions->make_read_only, &cause) &&
        intro_symbols_address(symbols, "set_memory_x", &functions->make_executable, &cause) &&
        intro_symbols_address(symbols, "set_memory_nx", &functions->make_data, &cause) &&
        intro_symbols_address(symbols, "set_memory_rw", &functions->make_writable, &cause))
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, "its allocator cannot be used for that: %s", cause->message);
    return FALSE;
}

gboolean
patch_room_check(const IntroKernel *kernel, GError **error)
{
    Functions functions;

    return find_functions(kernel, &functions, error);
}

/* A claimed one; of all if VA is 0. Its record is to be unreffed. */
static PatchRecord *
find_claimed(const IntroKernel *kernel, GuestVa va, GError **error)
{
    g_autoptr(PatchArena) arena = patch_arena_open(kernel, error);
    GPtrArray *records = arena ? patch_arena_records(arena) : NULL;

    for (guint i = 0; records && i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];

        if (record->region_bytes > 0 && record->state == PATCH_STATE_CLAIMED && (va == 0 || record->block.va == va))
            return patch_record_ref(record);
    }
    return NULL;
}

static gboolean
check_got(const PatchGuest *guest, GuestVa va, GError **error)
{
    g_autoptr(PatchRecord) region = NULL;
    g_autoptr(GError) failure = NULL;

    if (va == 0) {
        g_set_error_literal(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW, "the guest's allocator has no memory to give; try again");
        return FALSE;
    }
    region = find_claimed(guest->kernel, va, &failure);
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    else if (!region)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "the memory at %#" G_GINT64_MODIFIER "x that the guest's "
                    "allocator has given is not what it should be", va);
    return region != NULL;
}

gboolean
patch_room_get(const PatchGuest *guest, const char *id, const PatchRoom *room, PatchPauses *pauses, GuestVa *va,
               GError **error)
{
    const guint64 bytes = room->text_bytes + room->data_bytes, block_pages = room->text_bytes / PATCH_PAGE_BYTES;
    PatchCall call = { .name = "the kernel's allocator", .bytes_argument = -1, .limit_s = LIMIT_S,
                       .block_pages = block_pages, .region_pages = bytes / PATCH_PAGE_BYTES };
    Functions functions;

    if (!find_functions(guest->kernel, &functions, error))
        return FALSE;
    call.function = functions.allocate;
    call.arguments[0] = functions.has_types ? (guint64) functions.type : bytes;
    call.arguments[1] = bytes;
    call.follow_ups[0] = (PatchFollowUp) { functions.make_read_only, { 0, block_pages } };
    call.follow_ups[1] = (PatchFollowUp) { functions.make_executable, { 0, block_pages } };
    return patch_runner_call(guest, id, &call, pauses, va, error) && check_got(guest, *va, error);
}

static gboolean
release(const PatchGuest *guest, const PatchRecord *region, PatchPauses *pauses, GError **error)
{
    const guint64 block_pages = region->block.length / PATCH_PAGE_BYTES;
    const GuestVa va = region->block.va;
    PatchCall call = { .name = "the kernel's allocator", .bytes_argument = -1, .limit_s = LIMIT_S,
                       .arguments = { va, block_pages } };
    Functions functions;
    guint64 result;

    if (!find_functions(guest->kernel, &functions, error))
        return FALSE;
    call.function = functions.make_data;
    call.follow_ups[0] = (PatchFollowUp) { functions.make_writable, { va, block_pages } };
    call.follow_ups[1] = (PatchFollowUp) { functions.release, { va, 0 } };
    return patch_runner_call(guest, RUNNERS_ID, &call, pauses, &result, error);
}

gboolean
patch_room_give_back(const PatchGuest *guest, PatchPauses *pauses, GError **error)
{
    for (guint i = 0; i < MAX_REGIONS; i++) {
        g_autoptr(GError) failure = NULL;
        g_autoptr(PatchRecord) region = find_claimed(guest->kernel, 0, &failure);

        if (failure)
            g_propagate_error(error, g_steal_pointer(&failure));
        if (!region)
            return failure == NULL;
        if (!release(guest, region, pauses, error))
            return FALSE;
    }
    g_set_error_literal(error, PATCH_ERROR, PATCH_ERROR_FAILED, "the guest does not take back what its allocator has given");
    return FALSE;
}
