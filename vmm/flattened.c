/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/flattened.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "vmm/error.h"
#include "vmm/file.h"

#define SIGNATURE "makedumpfile"
#define HEADER_BYTES 4096
#define TYPE_AT 16                  /* type and version, big-endian, both 1 */
#define PIECE_BYTES (1 << 20)

gboolean
vmm_flattened_is(int fd)
{
    char start[sizeof SIGNATURE] = "";

    return pread(fd, start, sizeof start, 0) == sizeof start && memcmp(start, SIGNATURE, sizeof start) == 0;
}

static gboolean
copy_piece(int from, guint64 at, int to, guint64 offset, guint64 length, char *buffer, GError **error)
{
    while (length > 0) {
        gsize n = MIN(length, PIECE_BYTES);

        if (!vmm_file_read(from, at, buffer, n))
            return vmm_file_set_damaged(error, "a piece of it is not there");
        if (!vmm_file_write(to, offset, buffer, n)) {
            g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "the flattened dump cannot be put together in %s: %s; say "
                        "by TMPDIR where there is room for all of it", g_get_tmp_dir(), g_strerror(errno));
            return FALSE;
        }
        at += n;
        offset += n;
        length -= n;
    }
    return TRUE;
}

/* Pieces up to the one that ends it. */
static gboolean
copy_pieces(int from, int to, GError **error)
{
    g_autofree char *buffer = g_malloc(PIECE_BYTES);
    guint64 at = HEADER_BYTES;
    gint64 piece[2];        /* where it belongs, and its length */

    for (;;) {
        if (!vmm_file_read(from, at, piece, sizeof piece))
            return vmm_file_set_damaged(error, "its end is missing");
        piece[0] = GINT64_FROM_BE(piece[0]);
        piece[1] = GINT64_FROM_BE(piece[1]);
        if (piece[0] == -1 && piece[1] == -1)
            return TRUE;
        if (piece[0] < 0 || piece[1] <= 0 || piece[0] > G_MAXINT64 - piece[1])
            return vmm_file_set_damaged(error, "a piece of it belongs nowhere");
        at += sizeof piece;
        if (!copy_piece(from, at, to, piece[0], piece[1], buffer, error))
            return FALSE;
        at += piece[1];
    }
}

int
vmm_flattened_room(void)
{
    return open(g_get_tmp_dir(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

gboolean
vmm_flattened_put_together(int fd, int room, GError **error)
{
    guint64 kind[2];

    if (room < 0) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "the flattened dump cannot be put together in %s: no file can be "
                    "made there; say by TMPDIR where one can", g_get_tmp_dir());
        return FALSE;
    }
    if (!vmm_file_read(fd, TYPE_AT, kind, sizeof kind) || GUINT64_FROM_BE(kind[0]) != 1 || GUINT64_FROM_BE(kind[1]) != 1)
        return vmm_file_set_damaged(error, "it is flattened in an unknown way");
    return copy_pieces(fd, room, error);
}
