/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of modules and their symbols, in a real guest's damaged memory.
 */
#include "introspect/module-symbols.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/recorded.h"

#define BUDGET_BYTES (16u << 20)

static void
look(const VmmReader *reader, const IntroKernel *kernel)
{
    const IntroSpace *space = intro_kernel_space(kernel);
    const IntroBtf *btf = intro_kernel_btf(kernel);
    g_autoptr(GPtrArray) modules = intro_modules_read(space, intro_kernel_symbols(kernel), btf, NULL);
    gsize budget = BUDGET_BYTES;

    for (guint i = 0; modules != NULL && i < modules->len; i++) {
        g_autoptr(IntroSymbolGroup) group =
            intro_module_symbols_read(space, btf, g_ptr_array_index(modules, i), &budget, NULL);
    }
}

void
fuzz(const guint8 *data, gsize size)
{
    recorded_fuzz(look, data, size);
}
