/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * data-digests GUEST: prints for each variable of a guest's kernel image, per-CPU ones excepted, its address, its name and the
 * SHA-256 of what it holds.
 */
#include <stdio.h>
#include <string.h>

#include "patcher/guest.h"

static gboolean
is_variable(const IntroSymbol *symbol)
{
    return symbol->module == NULL && symbol->size > 0 && symbol->size <= 16 << 20 && strchr("dDbB", symbol->type) != NULL;
}

static gboolean
tell(const IntroKernel *kernel, const IntroSymbol *symbol, GError **error)
{
    g_autofree guint8 *bytes = g_malloc(symbol->size);
    g_autofree char *digest = NULL;

    if (!intro_space_read(intro_kernel_space(kernel), symbol->va, bytes, symbol->size, error))
        return FALSE;
    digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes, symbol->size);
    printf("%" G_GINT64_MODIFIER "x %s %s\n", symbol->va, symbol->name, digest);
    return TRUE;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchGuest) guest = argc == 2 ? patch_guest_open(argv[1], NULL, &error) : NULL;
    const IntroSymbol *symbols;
    GuestVa start, end;
    gsize n;

    if (!guest || !intro_symbols_address(intro_kernel_symbols(guest->kernel), "_sdata", &start, &error) ||
        !intro_symbols_address(intro_kernel_symbols(guest->kernel), "__bss_stop", &end, &error)) {
        fprintf(stderr, "data-digests: %s\n", error ? error->message : "usage: data-digests GUEST");
        return 1;
    }
    symbols = intro_symbols_all(intro_kernel_symbols(guest->kernel), &n);
    for (gsize i = 0; i < n; i++)
        if (is_variable(&symbols[i]) && symbols[i].va >= start && symbols[i].va < end &&
            !tell(guest->kernel, &symbols[i], &error)) {
            fprintf(stderr, "data-digests: %s\n", error->message);
            return 1;
        }
    return 0;
}
