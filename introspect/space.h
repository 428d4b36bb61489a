/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest-virtual address space: x86-64 page tables with 4 or 5 levels, pages of 4 KiB, 2 MiB and 1 GiB.
 * Source: Intel SDM volume 3, chapter 4; AMD APM volume 2, chapter 5.
 *
 * Entries come from the guest and may be anything; a walk takes at most five reads, and a range walk is bounded by the
 * address range it was asked for.
 */
#ifndef INTROSPECT_SPACE_H
#define INTROSPECT_SPACE_H

#include "introspect/error.h"
#include "vmm/machine.h"

typedef struct IntroSpace IntroSpace;

/* A run of bytes, contiguous on both sides, with the same permissions throughout. */
typedef struct {
    GuestVa va;
    GuestPa pa;
    guint64 length;         /* bytes */
    gboolean writable, executable, user;
} IntroMapping;

typedef struct {
    GuestVa va;
    void *buffer;           /* of the caller */
    gsize length;           /* bytes */
} IntroExtent;

/* ROOT is the page of the top table; FIVE_LEVELS as CR4.LA57 says. READER is borrowed. */
IntroSpace *intro_space_new(const VmmReader *reader, GuestPa root, gboolean five_levels);
void intro_space_free(IntroSpace *space);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntroSpace, intro_space_free)

/* While the guest is paused, its page tables do not change: between these two calls, each is read once only; those that
 * were used the last time, all at once. */
void intro_space_hold(IntroSpace *space);
void intro_space_release(IntroSpace *space);

/* The page that holds VA, as far as it goes from VA on: MAPPING->va is VA itself. INTRO_ERROR_NOT_MAPPED. */
gboolean intro_space_translate(const IntroSpace *space, GuestVa va, IntroMapping *mapping, GError **error);

/* The first mapped run at or after *VA and before END, adjacent pages of the same permissions joined; moves *VA behind
 * it. FALSE without an error at the end of the range. */
gboolean intro_space_next_mapping(const IntroSpace *space, GuestVa *va, GuestVa end, IntroMapping *mapping, GError **error);

/* Reads are all or an error. */
gboolean intro_space_read(const IntroSpace *space, GuestVa va, void *buffer, gsize length, GError **error);
gboolean intro_space_read_u32(const IntroSpace *space, GuestVa va, guint32 *value, GError **error);
gboolean intro_space_read_u64(const IntroSpace *space, GuestVa va, guint64 *value, GError **error);
/* At most MAX bytes with the NUL; a longer string is an error. To be freed. */
char *intro_space_read_string(const IntroSpace *space, GuestVa va, gsize max, GError **error);
/* As few system calls as there can be. */
gboolean intro_space_read_extents(const IntroSpace *space, const IntroExtent *extents, gsize n_extents, GError **error);

#endif
