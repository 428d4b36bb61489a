/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/window.h"

#define ENTRY_BYTES 8
#define N_ENTRIES 512
#define KERNEL_MAP 0xffffffff80000000ULL    /* __START_KERNEL_map: 1 GiB of image, then 1 GiB of modules and fixmap */
#define FIXMAP_MAP 0xffffffffc0000000ULL
#define FIRST_FREE 508                      /* of level2_fixmap_pgt; see head_64.S */
#define N_FREE 3

#define PRESENT 0x1ULL
#define USED 0x60ULL                        /* accessed and dirty: set beforehand, so that the entry stays as it is */
#define LARGE 0x80ULL
#define FRAME 0x000ffffffffff000ULL
#define LARGE_FRAME 0x000fffffffe00000ULL

static gboolean
unsupported(GError **error)
{
    g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED,
                        "the guest's kernel has no free addresses behind its fixmap, or page tables that are not known");
    return FALSE;
}

static GuestVa
window_of(GuestVa va)
{
    return va & ~(INTRO_WINDOW_BYTES - 1);
}

/* Which of the windows VA is seen through: they are given out by ascending address. */
static guint
index_of(const GArray *holes, GuestVa va)
{
    g_autoptr(GHashTable) below = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);

    for (guint i = 0; i < holes->len; i++) {
        const IntroHole *hole = &g_array_index(holes, IntroHole, i);

        for (GuestVa at = window_of(hole->va); hole->executable && at < hole->va + hole->length; at += INTRO_WINDOW_BYTES)
            if (at < window_of(va))
                g_hash_table_add(below, g_memdup2(&at, sizeof at));
    }
    return g_hash_table_size(below);
}

/* The page table NAME, which entry INDEX of level3_kernel_pgt leads to. */
static gboolean
find_table(const IntroKernel *kernel, const char *name, guint index, GuestVa *va, GError **error)
{
    const IntroSpace *space = intro_kernel_space(kernel);
    const IntroSymbols *symbols = intro_kernel_symbols(kernel);
    IntroMapping mapping;
    GuestVa upper;
    guint64 entry;

    if (!intro_symbols_address(symbols, name, va, NULL) ||
        !intro_symbols_address(symbols, "level3_kernel_pgt", &upper, NULL))
        return unsupported(error);
    if (!intro_space_translate(space, *va, &mapping, error) ||
        !intro_space_read_u64(space, upper + index * ENTRY_BYTES, &entry, error))
        return FALSE;
    return ((entry & PRESENT) && (entry & FRAME) == mapping.pa.value) || unsupported(error);
}

/* Whether ENTRY, of the image's page table, is what VA is mapped by. */
static gboolean
maps(const IntroKernel *kernel, guint64 entry, GuestVa va, GError **error)
{
    guint index = va >> 12 & (N_ENTRIES - 1);
    IntroMapping mapping;
    guint64 page;

    if (!intro_space_translate(intro_kernel_space(kernel), va, &mapping, error))
        return FALSE;
    if (!(entry & PRESENT) || mapping.writable || !mapping.executable || mapping.user)
        return unsupported(error);
    if (entry & LARGE)
        return (entry & LARGE_FRAME) + (va & (INTRO_WINDOW_BYTES - 1)) == mapping.pa.value || unsupported(error);
    if (!vmm_read(intro_kernel_reader(kernel), guest_pa((entry & FRAME) + index * ENTRY_BYTES), &page, sizeof page, error))
        return FALSE;
    return (GUINT64_FROM_LE(page) & FRAME) + (va & 0xfff) == mapping.pa.value || unsupported(error);
}

gboolean
intro_window_find(const IntroKernel *kernel, const GArray *holes, GuestVa va, IntroWindow *window, GError **error)
{
    const IntroSpace *space = intro_kernel_space(kernel);
    guint index = index_of(holes, va);
    GuestVa image, fixmap;
    guint64 now;

    if (index >= N_FREE || va < KERNEL_MAP || va >= FIXMAP_MAP)
        return unsupported(error);
    if (!find_table(kernel, "level2_kernel_pgt", N_ENTRIES - 2, &image, error) ||
        !find_table(kernel, "level2_fixmap_pgt", N_ENTRIES - 1, &fixmap, error))
        return FALSE;
    window->image_va = window_of(va);
    window->va = FIXMAP_MAP + (FIRST_FREE + index) * INTRO_WINDOW_BYTES;
    window->entry_va = fixmap + (FIRST_FREE + index) * ENTRY_BYTES;
    image += (va - KERNEL_MAP) / INTRO_WINDOW_BYTES * ENTRY_BYTES;
    if (!intro_space_read_u64(space, image, &window->entry, error) || !maps(kernel, window->entry, va, error) ||
        !intro_space_read_u64(space, window->entry_va, &now, error))
        return FALSE;
    window->entry |= USED;
    window->is_open = now == window->entry;
    return now == 0 || window->is_open || unsupported(error);
}
