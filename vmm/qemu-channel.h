/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the host's end of a virtio-serial port is.
 */
#ifndef VMM_QEMU_CHANNEL_H
#define VMM_QEMU_CHANNEL_H

#include "vmm/monitor.h"

/* The path of the UNIX socket behind the port of that NAME, to be freed. Errors: NOT_FOUND (no such port, or it is
 * connected to something else), those of the monitor. */
char *vmm_qemu_find_channel(VmmMonitor *monitor, const char *name, GError **error);

#endif
