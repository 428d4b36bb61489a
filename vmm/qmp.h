/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of the QEMU Machine Protocol: JSON objects, one a line, over a UNIX socket.
 */
#ifndef VMM_QMP_H
#define VMM_QMP_H

#include "vmm/monitor.h"

/* How long a monitor may take to greet; it serves one client at a time and leaves the next one waiting in silence. */
#define VMM_QMP_GREETING_US (3 * G_USEC_PER_SEC)

/* Takes over FD, a connected socket, waits for the greeting until GREETING_US have passed, and negotiates; ANSWER_US is
 * what each command may take. NAME is for messages. Errors: BUSY (silence), PROTOCOL (no QMP), LOST. */
VmmMonitor *vmm_qmp_new(int fd, const char *name, gint64 greeting_us, gint64 answer_us, GError **error);

/* Takes over FD, a connection on which another process negotiated and may have been interrupted anywhere. */
VmmMonitor *vmm_qmp_take_over(int fd, gint64 answer_us);

#endif
