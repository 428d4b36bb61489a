/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/guest-log.h"

#include <string.h>

#include "patcher/error.h"

#define LIMIT_S 30.0            /* a busy host; the line is not worth more */
#define NOTICE "\0015"          /* KERN_NOTICE */

/* It is a macro since Linux 5.15, and the function has another name. */
static gboolean
find_printk(const IntroKernel *kernel, GuestVa *va, GError **error)
{
    const IntroSymbols *symbols = intro_kernel_symbols(kernel);

    return intro_symbols_address(symbols, "_printk", va, NULL) || intro_symbols_address(symbols, "printk", va, error);
}

gboolean
patch_guest_log(const PatchGuest *guest, const char *id, const char *text, PatchPauses *pauses, GError **error)
{
    g_autofree char *line = g_strdup_printf(NOTICE "virt-livepatch: %s\n", text);
    g_autoptr(GBytes) bytes = g_bytes_new(line, strlen(line) + 1);
    PatchCall call = { .name = "printk", .bytes = bytes, .limit_s = LIMIT_S };
    guint64 length;

    /* The kernel takes it for a format. */
    g_return_val_if_fail(strchr(text, '%') == NULL, FALSE);
    return find_printk(guest->kernel, &call.function, error) &&
           patch_runner_call(guest, id, &call, pauses, &length, error);
}
