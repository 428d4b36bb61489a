/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/scan.h"

#include "introspect/cursor.h"

#define WORD sizeof(guint64)

void
intro_scan_words(const IntroUnwinder *unwinder, const IntroStackArea *area, GuestVa from, GuestVa end)
{
    for (GuestVa va = MAX(from & ~(WORD - 1), area->start); end - va >= WORD; va += WORD) {
        guint64 word = intro_word(area->bytes + (va - area->start));

        if (unwinder->ops->is_text(unwinder->self, word))
            intro_unwinder_add_frame(unwinder, word, TRUE, FALSE);
    }
}

static void
scan_words(const IntroUnwinder *unwinder, IntroStackArea *area, GuestVa from)
{
    area->scanned = TRUE;
    if (intro_unwinder_load(unwinder, area))
        intro_scan_words(unwinder, area, from, area->end);
}

static gboolean
linked_sp(const IntroUnwinder *unwinder, const IntroStackArea *area, GuestVa *sp)
{
    gsize length = area->end - area->start, regs_bytes = unwinder->layout->size_bytes;

    if (area->bytes == NULL)
        return FALSE;
    if (area->link == INTRO_STACK_SAVED_SP && length >= WORD) {
        *sp = intro_word(area->bytes + length - WORD);
        return TRUE;
    }
    if (area->link == INTRO_STACK_SAVED_REGS && length >= regs_bytes) {
        *sp = intro_word(area->bytes + length - regs_bytes + unwinder->layout->sp);
        return TRUE;
    }
    return FALSE;
}

void
intro_scan_from(const IntroUnwinder *unwinder, GuestVa sp)
{
    IntroStackArea *area = intro_unwinder_area(unwinder, sp, WORD);
    gboolean is_lost = area == NULL;

    while (area != NULL && !area->scanned) {
        scan_words(unwinder, area, sp);
        if (area->link == INTRO_STACK_FROM_USER)
            return;
        area = linked_sp(unwinder, area, &sp) ? intro_unwinder_area(unwinder, sp, WORD) : NULL;
    }
    for (guint i = 0; i < unwinder->areas->len; i++) {
        area = &g_array_index(unwinder->areas, IntroStackArea, i);
        if (!area->scanned && (i == 0 || is_lost))
            scan_words(unwinder, area, area->start);
    }
}

IntroStack *
intro_scan_all(const IntroUnwindOps *ops, gpointer self, const IntroRegsLayout *layout, GArray *areas)
{
    IntroStack *stack = g_new0(IntroStack, 1);
    const IntroUnwinder unwinder = {
        ops, self, layout, areas, stack->frames = g_array_new(FALSE, FALSE, sizeof(IntroFrame)),
    };

    for (guint i = 0; i < areas->len; i++)
        scan_words(&unwinder, &g_array_index(areas, IntroStackArea, i), g_array_index(areas, IntroStackArea, i).start);
    return stack;
}
