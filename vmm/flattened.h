/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flattened dump: what makedumpfile and QEMU write into a pipe, where they cannot go back. It is a stream of pieces, each with
 * the place in the file that it belongs to.
 *
 * Sources: makedumpfile's IMPLEMENTATION and QEMU's include/sysemu/dump.h. The file may come from anyone.
 */
#ifndef VMM_FLATTENED_H
#define VMM_FLATTENED_H

#include <glib.h>

/* Whether what FD begins with says so. */
gboolean vmm_flattened_is(int fd);

/* A file without a name in TMPDIR, to be closed; -1 if there is none to be had. Privileges may be given up when it is open. */
int vmm_flattened_room(void);

/* Writes into ROOM, which may be -1, what FD is meant to be. Errors: PROTOCOL (damaged or cut off), UNREACHABLE (there is no
 * room). */
gboolean vmm_flattened_put_together(int fd, int room, GError **error);

#endif
