/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The monitor of a libvirt domain's QEMU, through libvirt.
 */
#ifndef VMM_LIBVIRT_MONITOR_H
#define VMM_LIBVIRT_MONITOR_H

#include <libvirt/libvirt.h>

#include "vmm/monitor.h"

/* Takes over DOMAIN. */
VmmMonitor *vmm_libvirt_monitor_new(virDomainPtr domain);

/* What libvirt said last, as an error of CODE behind CONTEXT; always FALSE. */
gboolean vmm_libvirt_set_error(int code, const char *context, GError **error);

#endif
