/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether somebody has one of the guest kernel's mutexes.
 * Source: include/linux/mutex.h and kernel/locking/ of Linux.
 */
#ifndef INTROSPECT_MUTEX_H
#define INTROSPECT_MUTEX_H

#include "introspect/btf.h"

/* Where in a struct mutex, in bytes, the word is that is zero while nobody has the mutex or waits for it. INTRO_ERROR_NOT_FOUND. */
gboolean intro_mutex_owner(const IntroBtf *btf, gsize *offset, GError **error);

#endif
