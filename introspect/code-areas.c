/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/code-areas.h"

#define AREAS_END 0xffffffffff000000ULL     /* MODULES_END at most, which is below the fixmap */

typedef struct {
    GArray *areas;              /* of IntroCodeArea */
    IntroCodeArea area;         /* the one that is being looked at */
    gboolean is_possible;
} Walk;

static void
finish_area(Walk *walk)
{
    if (walk->is_possible)
        g_array_append_val(walk->areas, walk->area);
}

static void
add_run(Walk *walk, const IntroMapping *run)
{
    IntroCodeArea *area = &walk->area;
    gboolean is_code = run->executable && !run->writable, is_data = run->writable && !run->executable;

    if (run->va != area->va + area->bytes) {
        finish_area(walk);
        *area = (IntroCodeArea) { run->va, 0, 0 };
        walk->is_possible = is_code;
    }
    if (is_code && area->code_bytes == area->bytes)
        area->code_bytes += run->length;
    else if (!is_data)
        walk->is_possible = FALSE;
    area->bytes += run->length;
}

GArray *
intro_code_areas(const IntroKernel *kernel, GError **error)
{
    Walk walk = { .areas = g_array_new(FALSE, FALSE, sizeof(IntroCodeArea)) };
    g_autoptr(GArray) areas = walk.areas;
    g_autoptr(GError) failure = NULL;
    IntroMapping run;
    GuestVa va;

    if (!intro_symbols_address(intro_kernel_symbols(kernel), "_end", &va, error))
        return NULL;
    while (va < AREAS_END && intro_space_next_mapping(intro_kernel_space(kernel), &va, AREAS_END, &run, &failure))
        add_run(&walk, &run);
    if (failure) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    finish_area(&walk);
    return g_steal_pointer(&areas);
}
