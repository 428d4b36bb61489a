/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The monitor of a libvirt domain's QEMU, through libvirt.
 */
#ifndef VMM_LIBVIRT_MONITOR_H
#define VMM_LIBVIRT_MONITOR_H

#include <libvirt/libvirt.h>

#include "vmm/monitor.h"

/* Takes over DOMAIN. Nothing of it waits for libvirt without end. */
VmmMonitor *vmm_libvirt_monitor_new(virDomainPtr domain);

#endif
