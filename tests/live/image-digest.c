/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image-digest GUEST: prints the SHA-256 of the text of a guest's kernel image but for its holes, and "empty" or "filled"
 * for those: whether there is anything but filler in them.
 */
#include <stdio.h>
#include <string.h>

#include "patcher/guest.h"
#include "patcher/record.h"

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

static gint
compare_holes(gconstpointer a, gconstpointer b)
{
    const IntroHole *one = a, *other = b;

    return (one->va > other->va) - (one->va < other->va);
}

static gboolean
digest(const IntroKernel *kernel, GArray *holes, GChecksum *sum, gboolean *filled, GError **error)
{
    GuestVa at, end;

    if (!intro_symbols_address(intro_kernel_symbols(kernel), "_stext", &at, error) ||
        !intro_symbols_address(intro_kernel_symbols(kernel), "_etext", &end, error))
        return FALSE;
    g_array_sort(holes, compare_holes);
    for (guint i = 0; i < holes->len; i++) {
        const IntroHole *hole = &g_array_index(holes, IntroHole, i);
        Emptiness emptiness = { hole->executable ? PATCH_EMPTY_TEXT : 0, FALSE };

        if (!read_through(kernel, hole->va, hole->va + hole->length, look_for_more, &emptiness, error))
            return FALSE;
        *filled |= emptiness.filled;
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
    g_autoptr(GArray) holes = guest ? intro_kernel_holes(guest->kernel, &error) : NULL;
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    gboolean filled = FALSE;

    if (!holes || !digest(guest->kernel, holes, sum, &filled, &error)) {
        fprintf(stderr, "image-digest: %s\n", error ? error->message : "usage: image-digest GUEST");
        return 1;
    }
    printf("%s %s\n", g_checksum_get_string(sum), filled ? "filled" : "empty");
    return 0;
}
