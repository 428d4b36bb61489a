/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest addresses.
 *
 * A guest-physical address is a type of its own, so that a virtual one can never be passed in its place; it is made in
 * page tables and memory maps and used nowhere else. A guest-virtual address is plain arithmetic all over (symbols,
 * unwind tables, relocations) and stays an integer.
 */
#ifndef VMM_ADDR_H
#define VMM_ADDR_H

#include <glib.h>

typedef struct { guint64 value; } GuestPa;
typedef guint64 GuestVa;

static inline GuestPa
guest_pa(guint64 value)
{
    return (GuestPa) { value };
}

static inline GuestPa
guest_pa_add(GuestPa pa, guint64 bytes)
{
    return (GuestPa) { pa.value + bytes };
}

#endif
