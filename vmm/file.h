/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading and writing places of a file, and what is said of one that is not as it should be.
 */
#ifndef VMM_FILE_H
#define VMM_FILE_H

#include <glib.h>

/* All of it; FALSE if not, with errno, which is 0 if the file is too short. */
gboolean vmm_file_read(int fd, guint64 offset, void *buffer, gsize length);
gboolean vmm_file_write(int fd, guint64 offset, const void *data, gsize length);

/* That a memory image is damaged, and WHAT is wrong: always FALSE. */
gboolean vmm_file_set_damaged(GError **error, const char *what);

#endif
