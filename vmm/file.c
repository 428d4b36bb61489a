/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/file.h"

#include <errno.h>
#include <unistd.h>

#include "vmm/error.h"

gboolean
vmm_file_read(int fd, guint64 offset, void *buffer, gsize length)
{
    for (gsize done = 0; done < length;) {
        ssize_t n = offset + done <= G_MAXINT64 ? pread(fd, (char *)buffer + done, length - done, offset + done) : 0;

        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = 0;
        if (n <= 0)
            return FALSE;
        done += n;
    }
    return TRUE;
}

gboolean
vmm_file_write(int fd, guint64 offset, const void *data, gsize length)
{
    for (gsize done = 0; done < length;) {
        ssize_t n = pwrite(fd, (const char *)data + done, length - done, offset + done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EIO;
        if (n <= 0)
            return FALSE;
        done += n;
    }
    return TRUE;
}

gboolean
vmm_file_set_damaged(GError **error, const char *what)
{
    g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "the memory image is damaged or cut off: %s", what);
    return FALSE;
}
