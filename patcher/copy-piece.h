/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A new function of one object as a piece of another's, too, where the two are parts of different modules and so cannot
 * become one.
 */
#ifndef PATCHER_COPY_PIECE_H
#define PATCHER_COPY_PIECE_H

#include "patcher/update.h"

/* Copies piece INDEX of FROM into INTO, and what it refers to. PATCH_ERROR_DOES_NOT_FIT: that holds state, of which there
 * must not be two, or is something of FROM's module that only FROM's own code can find. */
gboolean patch_copy_piece(PatchObject *into, const PatchObject *from, guint32 index, GError **error);

#endif
