/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What QEMU's objects say of a machine.
 * Source: docs/system/confidential-guest-support.rst and qapi/qom.json of QEMU.
 */
#ifndef VMM_QEMU_OBJECT_H
#define VMM_QEMU_OBJECT_H

#include "vmm/monitor.h"

/* The property PROPERTY of the object at PATH, if it is a string, to be freed; NULL if it is not, or not there. */
char *vmm_qemu_property(VmmMonitor *monitor, const char *path, const char *property);

/* FALSE if the machine's memory and registers are kept from its host: SEV and its kin, TDX, as QEMU from 6.0 on tells.
 * Errors: UNSUPPORTED. */
gboolean vmm_qemu_check_readable(VmmMonitor *monitor, GError **error);

#endif
