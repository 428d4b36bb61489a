/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the reading and the application of a patch share. */
#ifndef PATCHER_PATCHFILE_PRIVATE_H
#define PATCHER_PATCHFILE_PRIVATE_H

#include "patcher/patchfile.h"

/* Lines keep their newline; the last one of a file may have none. */
typedef struct {
    guint old_start;
    GPtrArray *old_lines, *new_lines;
    GArray *kinds;              /* of char: ' ', '-' or '+', in the patch's order */
} PatchHunk;

/* Of char *, each with its newline; to be freed. */
GPtrArray *patch_split_lines(const char *text);

#endif
