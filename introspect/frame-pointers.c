/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/frame-pointers.h"

#include <string.h>

#define PROLOGUE_BYTES 32

/* They sleep or call what sleeps, so that stacks of sleeping tasks are made of the like. */
static const char *const functions[] = { "schedule", "kthread", "do_exit", "worker_thread" };

static gboolean
skip(const guint8 **code, gsize *length, const char *bytes, gsize n_compared, gsize n_skipped)
{
    if (*length < n_skipped || memcmp(*code, bytes, n_compared) != 0)
        return FALSE;
    *code += n_skipped;
    *length -= n_skipped;
    return TRUE;
}

gboolean
intro_frame_pointers_prologue(const guint8 *code, gsize length)
{
    skip(&code, &length, "\xf3\x0f\x1e\xfa", 4, 4);             /* endbr64 */
    if (!skip(&code, &length, "\x0f\x1f\x44\x00\x00", 5, 5)     /* a nop of five bytes, or the call in its place */
        && !skip(&code, &length, "\xe8", 1, 5))
        skip(&code, &length, "\xe9", 1, 5);
    return skip(&code, &length, "\x55\x48\x89\xe5", 4, 4);      /* push %rbp; mov %rsp,%rbp */
}

gboolean
intro_kernel_has_frame_pointers(const IntroKernel *kernel)
{
    for (gsize i = 0; i < G_N_ELEMENTS(functions); i++) {
        guint8 code[PROLOGUE_BYTES];
        GuestVa va;

        if (!intro_symbols_address(intro_kernel_symbols(kernel), functions[i], &va, NULL)
            || !intro_space_read(intro_kernel_space(kernel), va, code, sizeof code, NULL)
            || !intro_frame_pointers_prologue(code, sizeof code))
            return FALSE;
    }
    return TRUE;
}
