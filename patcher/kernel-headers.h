/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our own headers (kernel-headers/): those that source patches include, and those that stand in front of the kernel's
 * when new code is compiled. The program carries their text, so it needs no files of its own to be installed anywhere.
 */
#ifndef PATCHER_KERNEL_HEADERS_H
#define PATCHER_KERNEL_HEADERS_H

#include <glib.h>

/* Writes them to FOLDER (which must not exist); those in front of the kernel's, as FOLDER/asm/NAME.h, only if FOR_NEW_CODE. */
gboolean patch_kernel_headers_write(const char *folder, gboolean for_new_code, GError **error);

#endif
