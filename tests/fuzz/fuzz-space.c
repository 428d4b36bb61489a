/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page tables: the input is an address, a byte of options, and the guest's memory, whose first page is the top table.
 */
#include <string.h>

#include "introspect/space.h"
#include "tests/fake-guest.h"
#include "tests/fuzz/fuzz.h"

#define MAX_MEMORY_BYTES (16 * FAKE_PAGE_BYTES)
#define MAX_RUNS 64
#define RANGE_BYTES (64U << 20)

static void
walk(const IntroSpace *space, GuestVa va)
{
    guint8 buffer[3 * FAKE_PAGE_BYTES];
    IntroExtent extents[] = { { va, buffer, sizeof buffer }, { ~va, buffer, 8 }, { va - 100, buffer, 200 } };
    g_autofree char *string = NULL;
    GuestVa end = va + RANGE_BYTES;
    IntroMapping mapping;

    intro_space_translate(space, va, &mapping, NULL);
    intro_space_read(space, va, buffer, sizeof buffer, NULL);
    intro_space_read_extents(space, extents, G_N_ELEMENTS(extents), NULL);
    string = intro_space_read_string(space, va, sizeof buffer, NULL);
    for (guint i = 0; i < MAX_RUNS && intro_space_next_mapping(space, &va, end, &mapping, NULL); i++)
        if (mapping.length == 0 || mapping.va + mapping.length > end)
            __builtin_trap();
}

void
fuzz(const guint8 *data, gsize size)
{
    static FakeGuest *guest;
    g_autoptr(IntroSpace) space = NULL;
    GuestVa va;

    if (size < sizeof va + 1)
        return;
    if (guest == NULL)
        guest = fake_guest_new(MAX_MEMORY_BYTES, FALSE);
    memcpy(&va, data, sizeof va);
    memset(fake_guest_bytes(guest, guest_pa(0)), 0, MAX_MEMORY_BYTES);
    memcpy(fake_guest_bytes(guest, guest_pa(0)), data + sizeof va + 1, MIN(size - sizeof va - 1, MAX_MEMORY_BYTES));
    space = intro_space_new(fake_guest_reader(guest), guest_pa(0), (data[sizeof va] & 1) != 0);
    walk(space, va);
}
