/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our own headers that stand in front of the kernel's when new code is compiled (kernel-headers/). The program carries
 * their text, so it needs no files of its own to be installed anywhere.
 */
#ifndef PATCHER_KERNEL_HEADERS_H
#define PATCHER_KERNEL_HEADERS_H

#include <glib.h>

/* Writes them to FOLDER (which must not exist), as FOLDER/asm/NAME.h. */
gboolean patch_kernel_headers_write(const char *folder, GError **error);

#endif
