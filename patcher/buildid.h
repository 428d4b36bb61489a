/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PATCHER_BUILDID_H
#define PATCHER_BUILDID_H

#include <glib.h>

/* The build id in the notes of ELF file PATH, in hex; to be freed. PATCH_ERROR_USAGE: PATH is no ELF file, or has
 * none. */
char *patch_build_id_read(const char *path, GError **error);

#endif
