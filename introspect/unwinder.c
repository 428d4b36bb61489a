/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/unwinder.h"

#define MAX_AREA_BYTES (1u << 20)

void
intro_stack_area_clear(IntroStackArea *area)
{
    g_clear_pointer(&area->bytes, g_free);
}

gboolean
intro_stack_area_holds(const IntroStackArea *area, GuestVa va, gsize length)
{
    return va >= area->start && va < area->end && area->end - va >= length;
}

IntroStackArea *
intro_unwinder_area(const IntroUnwinder *unwinder, GuestVa va, gsize length)
{
    for (guint i = 0; i < unwinder->areas->len; i++) {
        IntroStackArea *area = &g_array_index(unwinder->areas, IntroStackArea, i);

        if (intro_stack_area_holds(area, va, length))
            return area;
    }
    return NULL;
}

gboolean
intro_unwinder_load(const IntroUnwinder *unwinder, IntroStackArea *area)
{
    g_autofree guint8 *bytes = NULL;
    gsize length = area->end - area->start;

    if (area->bytes != NULL)
        return TRUE;
    if (length > MAX_AREA_BYTES)
        return FALSE;
    bytes = g_malloc(length);
    if (!unwinder->ops->read(unwinder->self, area->start, bytes, length))
        return FALSE;
    area->bytes = g_steal_pointer(&bytes);
    return TRUE;
}

void
intro_unwinder_add_frame(const IntroUnwinder *unwinder, GuestVa pc, gboolean is_return, gboolean certain)
{
    const IntroFrame frame = { pc, is_return, certain };

    g_array_append_val(unwinder->frames, frame);
}
