/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fill-holes GUEST full|empty [DATA-PAGES]: puts a byte into every empty page of the holes in a running guest's kernel image,
 * so that there is no room any more, but for so many pages of the hole for data; or takes those bytes out.
 */
#include <stdio.h>
#include <stdlib.h>

#include "introspect/kernel.h"

#define PAGE_BYTES 4096

static const guint8 full = 0x5a, text_filler = 0xcc, data_filler = 0;

/* In the last byte of a page, where no block's header is. */
static gboolean
add_pages(GArray *chunks, const IntroKernel *kernel, const IntroHole *hole, gboolean fill, gsize first, GError **error)
{
    const guint8 *filler = hole->executable ? &text_filler : &data_filler;
    const guint8 *before = fill ? filler : &full, *after = fill ? &full : filler;

    for (gsize page = first; page < hole->length / PAGE_BYTES; page++) {
        GuestVa va = hole->va + (page + 1) * PAGE_BYTES - 1;
        VmmChunk chunk = { .data = after, .length = 1 };
        IntroMapping mapping;
        guint8 now;

        if (!intro_space_translate(intro_kernel_space(kernel), va, &mapping, error) ||
            !intro_space_read(intro_kernel_space(kernel), va, &now, 1, error))
            return FALSE;
        chunk.pa = mapping.pa;
        if (now == *before)
            g_array_append_val(chunks, chunk);
    }
    return TRUE;
}

static gboolean
change_all(VmmMachine *machine, gboolean fill, gsize data_pages, GError **error)
{
    g_autoptr(IntroKernel) kernel = intro_kernel_attach(vmm_machine_reader(machine), error);
    g_autoptr(GArray) holes = kernel ? intro_kernel_holes(kernel, error) : NULL;
    g_autoptr(GArray) chunks = g_array_new(FALSE, FALSE, sizeof(VmmChunk));
    g_autoptr(VmmPause) pause = NULL;

    for (guint i = 0; holes && i < holes->len; i++) {
        const IntroHole *hole = &g_array_index(holes, IntroHole, i);

        if (!add_pages(chunks, kernel, hole, fill, hole->executable ? 0 : data_pages, error))
            return FALSE;
    }
    pause = holes ? vmm_pause_begin(machine, error) : NULL;
    return pause != NULL && vmm_pause_write(pause, (const VmmChunk *) chunks->data, chunks->len, error)
           && vmm_pause_end(g_steal_pointer(&pause), NULL, error);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    VmmMachine *machine;
    gboolean done;

    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: fill-holes GUEST full|empty [DATA-PAGES]\n");
        return 2;
    }
    machine = vmm_machine_open(argv[1], NULL, &error);
    done = machine != NULL &&
           change_all(machine, g_str_equal(argv[2], "full"), argc == 4 ? strtoul(argv[3], NULL, 10) : 0, &error);
    if (!done)
        fprintf(stderr, "fill-holes: %s\n", error->message);
    vmm_machine_free(machine);
    return done ? 0 : 1;
}
