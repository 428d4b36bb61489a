/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Constants and variables of an update whose address its code may have given away: the name of something that it has made, a table
 * that an object works with, the head of a list that it is in. Such an object may outlive the update, so those have to.
 */
#ifndef PATCHER_ESCAPE_H
#define PATCHER_ESCAPE_H

#include "patcher/update.h"

/* For each of OBJECT's pieces, whether it is one of those; to be freed. */
gboolean *patch_escape_find(const PatchObject *object);

/* Adds to NOTES (of char *) which of them lead to OBJECT's own functions, which do not stay, and which no hook of its seems to take
 * back. */
void patch_escape_note(const PatchObject *object, GPtrArray *notes);

#endif
