/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that is nothing but bytes: memory from guest-physical 0 on, page tables laid out in it, and one vCPU. For
 * tests of whatever reads a guest through a VmmReader.
 */
#ifndef TESTS_FAKE_GUEST_H
#define TESTS_FAKE_GUEST_H

#include "vmm/machine.h"

#define FAKE_PAGE_BYTES 4096

/* Bits of a page table's entry. */
#define FAKE_PRESENT  (1ULL << 0)
#define FAKE_WRITABLE (1ULL << 1)
#define FAKE_USER     (1ULL << 2)
#define FAKE_LARGE    (1ULL << 7)
#define FAKE_NO_EXEC  (1ULL << 63)

typedef struct FakeGuest FakeGuest;

/* In long mode, with an empty top table. */
FakeGuest *fake_guest_new(gsize memory_bytes, gboolean five_levels);
void fake_guest_free(FakeGuest *guest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeGuest, fake_guest_free)

/* Owned by the guest. */
const VmmReader *fake_guest_reader(FakeGuest *guest);
GuestPa fake_guest_root(const FakeGuest *guest);
VmmVcpu *fake_guest_vcpu(FakeGuest *guest);         /* to be changed at will */

/* As if the guest had run meanwhile: after N_READS more, ACT is called with DATA, once. */
void fake_guest_act_after(FakeGuest *guest, guint n_reads, void (*act)(FakeGuest *guest, gpointer data), gpointer data);

/* Memory that nothing else uses, zeroed; ALIGNMENT is a power of two. Aborts when there is none left. */
GuestPa fake_guest_alloc(FakeGuest *guest, gsize bytes, gsize alignment);
/* The guest's bytes from PA on. */
guint8 *fake_guest_bytes(FakeGuest *guest, GuestPa pa);
/* The entry for VA in the table of LEVEL (1: the lowest), with tables above it as needed. */
guint64 *fake_guest_entry(FakeGuest *guest, GuestVa va, guint level);
/* Maps one page of 4 KiB (LEVEL 1), 2 MiB (2) or 1 GiB (3); FLAGS besides FAKE_PRESENT and FAKE_LARGE. */
void fake_guest_map(FakeGuest *guest, GuestVa va, GuestPa pa, guint level, guint64 flags);
/* Allocates whole 4 KiB pages, maps them, and copies BYTES to VA; where they are. */
guint8 *fake_guest_place(FakeGuest *guest, GuestVa va, const void *bytes, gsize length, guint64 flags);

#endif
