/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Has an embedded machine log what its guest writes, as one does that is being migrated.
 */
#ifndef TESTS_VMM_DIRTY_LOG_H
#define TESTS_VMM_DIRTY_LOG_H

#include <glib.h>
#include <sys/types.h>

/* Of a machine with one region of memory, in process PID, in whose name KVM is called. Aborts if that does not work. */
void dirty_log_set(pid_t pid, gboolean on);

#endif
