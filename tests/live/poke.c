/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * poke GUEST SYMBOL VALUE: writes VALUE (hex) into the 8 bytes at a symbol of a running guest's kernel.
 */
#include <stdio.h>
#include <stdlib.h>

#include "introspect/kernel.h"

static gboolean
poke(VmmMachine *machine, const char *name, guint64 value, GError **error)
{
    g_autoptr(IntroKernel) kernel = intro_kernel_attach(vmm_machine_reader(machine), error);
    g_autoptr(VmmPause) pause = NULL;
    IntroMapping mapping;
    VmmChunk chunk;
    GuestVa va;

    if (kernel == NULL || !intro_symbols_address(intro_kernel_symbols(kernel), name, &va, error)
        || !intro_space_translate(intro_kernel_space(kernel), va, &mapping, error))
        return FALSE;
    value = GUINT64_TO_LE(value);
    chunk = (VmmChunk) { mapping.pa, (const guint8 *) &value, sizeof value };
    pause = vmm_pause_begin(machine, error);
    return pause != NULL && vmm_pause_write(pause, &chunk, 1, error)
           && vmm_pause_end(g_steal_pointer(&pause), NULL, error);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    VmmMachine *machine;
    gboolean done;

    if (argc != 4) {
        fprintf(stderr, "usage: poke GUEST SYMBOL VALUE\n");
        return 2;
    }
    machine = vmm_machine_open(argv[1], NULL, &error);
    done = machine != NULL && poke(machine, argv[2], strtoull(argv[3], NULL, 16), &error);
    if (!done)
        fprintf(stderr, "poke: %s\n", error->message);
    vmm_machine_free(machine);
    return done ? 0 : 1;
}
