/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Places an object's new code and data at addresses, and makes of it what the kernel would make of its own code on this
 * guest: fixups filled in, alternatives chosen by the guest's CPU, return sites as the guest's mitigations have them.
 */
#ifndef PATCHER_LINK_H
#define PATCHER_LINK_H

#include "introspect/kernel.h"
#include "patcher/match.h"

/* Where a piece goes to. */
typedef enum {
    PATCH_HOME_BLOCK,           /* text and constants */
    PATCH_HOME_DATA,
    PATCH_HOME_KEPT,            /* the part of the data area that stays when the rest goes (kept.h) */
    PATCH_HOME_FOUND,           /* it is there already */
} PatchHome;

/* The size (bytes) of all of OBJECT's pieces whose home (HOMES has that of each) is HOME, when the first may begin at OFFSET of
 * its area; PIECE_OFFSETS gets each such piece's offset. */
guint64 patch_link_layout(const PatchObject *object, const PatchHome *homes, PatchHome home, guint64 offset,
                          guint64 *piece_offsets);

/*
 * Fills BYTES (piece->size of them) with OBJECT->pieces[index] as it has to lie at PIECE_VAS[index]. PIECE_VAS holds
 * the address of every piece of the object. PATCH_ERROR_DOES_NOT_FIT: a symbol that cannot be found, a value that does
 * not fit its field, a construct that cannot be decided.
 */
gboolean patch_link_piece(const IntroKernel *kernel, const PatchResolved *resolved, guint32 index,
                          const GuestVa *piece_vas, guint8 *bytes, GError **error);

/* The same for CODE of the object that has no sites, as it has to lie at VA: code->bytes->len BYTES. NAME is for
 * messages. */
gboolean patch_link_value(const IntroKernel *kernel, const PatchResolved *resolved, const PatchCode *code, const char *name,
                          GuestVa va, const GuestVa *piece_vas, guint8 *bytes, GError **error);

#endif
