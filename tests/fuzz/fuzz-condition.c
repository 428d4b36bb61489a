/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state that a kernel is in, who else is at its code, and how it keeps its modules, in a real guest's damaged memory.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/looks.h"
#include "tests/fuzz/recorded.h"

static void
look(const VmmReader *reader, const IntroKernel *kernel)
{
    look_at_condition(kernel);
}

void
fuzz(const guint8 *data, gsize size)
{
    recorded_fuzz(look, data, size);
}
