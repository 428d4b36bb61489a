/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image-digest GUEST: prints the SHA-256 of the text of a guest's kernel image but for its holes, and "empty" or "filled"
 * for those: whether there is anything but filler in them. Constants that updates have left behind do not count: view tells of
 * those.
 */
#include <stdio.h>
#include <string.h>

#include "patcher/arena.h"
#include "patcher/guest.h"

#define PIECE 65536

typedef gboolean (*Visit)(gpointer data, const guint8 *bytes, gsize length);

/* Reads from START to END and shows it to VISIT, for as long as that says TRUE. */
static gboolean
read_through(const IntroKernel *kernel, GuestVa start, GuestVa end, Visit visit, gpointer data, GError **error)
{
    g_autofree guint8 *bytes = g_malloc(PIECE);

    for (GuestVa va = start; va < end; va += PIECE) {
        gsize length = MIN(PIECE, end - va);

        if (!intro_space_read(intro_kernel_space(kernel), va, bytes, length, error))
            return FALSE;
        if (!visit(data, bytes, length))
            break;
    }
    return TRUE;
}

static gboolean
add_to_digest(gpointer data, const guint8 *bytes, gsize length)
{
    g_checksum_update(data, bytes, length);
    return TRUE;
}

typedef struct {
    guint8 filler;
    gboolean filled;
} Emptiness;

static gboolean
look_for_more(gpointer data, const guint8 *bytes, gsize length)
{
    Emptiness *emptiness = data;

    for (gsize i = 0; i < length && !emptiness->filled; i++)
        emptiness->filled = bytes[i] != emptiness->filler;
    return !emptiness->filled;
}

/* The end of what is kept at VA, or VA itself; *NEXT is where something is kept next, at the latest END. */
static GuestVa
behind_kept(const PatchArena *arena, GuestVa va, GuestVa end, GuestVa *next)
{
    GPtrArray *kept = patch_arena_kept(arena);

    *next = end;
    for (guint i = 0; i < kept->len; i++) {
        const PatchArea *block = &((const PatchRecord *) kept->pdata[i])->block;

        if (block->va == va)
            return behind_kept(arena, va + block->length, end, next);
        if (block->va > va)
            *next = MIN(*next, block->va);
    }
    return va;
}

static gboolean
look_through(const IntroKernel *kernel, const PatchArena *arena, const IntroHole *hole, gboolean *filled, GError **error)
{
    Emptiness emptiness = { hole->executable ? PATCH_EMPTY_TEXT : 0, FALSE };
    GuestVa end = hole->va + hole->length, next;

    for (GuestVa va = behind_kept(arena, hole->va, end, &next); va < end; va = behind_kept(arena, next, end, &next))
        if (!read_through(kernel, va, next, look_for_more, &emptiness, error))
            return FALSE;
    *filled |= emptiness.filled;
    return TRUE;
}

static gint
compare_holes(gconstpointer a, gconstpointer b)
{
    const IntroHole *one = a, *other = b;

    return (one->va > other->va) - (one->va < other->va);
}

static gboolean
digest(const IntroKernel *kernel, const PatchArena *arena, GArray *holes, GChecksum *sum, gboolean *filled, GError **error)
{
    GuestVa at, end;

    if (!intro_symbols_address(intro_kernel_symbols(kernel), "_stext", &at, error) ||
        !intro_symbols_address(intro_kernel_symbols(kernel), "_etext", &end, error))
        return FALSE;
    g_array_sort(holes, compare_holes);
    for (guint i = 0; i < holes->len; i++) {
        const IntroHole *hole = &g_array_index(holes, IntroHole, i);

        if (!look_through(kernel, arena, hole, filled, error))
            return FALSE;
        if (hole->va < at || hole->va >= end)
            continue;
        if (!read_through(kernel, at, hole->va, add_to_digest, sum, error))
            return FALSE;
        at = hole->va + hole->length;
    }
    return read_through(kernel, at, end, add_to_digest, sum, error);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchGuest) guest = argc == 2 ? patch_guest_open(argv[1], NULL, &error) : NULL;
    g_autoptr(PatchArena) arena = guest ? patch_arena_open(guest->kernel, &error) : NULL;
    g_autoptr(GArray) holes = arena ? intro_kernel_holes(guest->kernel, &error) : NULL;
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    gboolean filled = FALSE;

    if (!holes || !digest(guest->kernel, arena, holes, sum, &filled, &error)) {
        fprintf(stderr, "image-digest: %s\n", error ? error->message : "usage: image-digest GUEST");
        return 1;
    }
    printf("%s %s\n", g_checksum_get_string(sum), filled ? "filled" : "empty");
    return 0;
}
