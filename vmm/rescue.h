/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guard (guard.h) does for a QEMU, through a monitor of its own: closes the gdb stub, carries out the last will,
 * and resumes the guest.
 */
#ifndef VMM_RESCUE_H
#define VMM_RESCUE_H

#include "vmm/guard.h"
#include "vmm/monitor.h"

/* QEMU is given this long to answer a guard: one that was stopped may be continued much later. */
#define VMM_RESCUE_TIMEOUT_US (G_GINT64_CONSTANT(86400) * G_USEC_PER_SEC)
#define VMM_RESCUE_INTERVAL_US (G_USEC_PER_SEC / 2)

/* TRUE when there is nothing left to do; else it may be tried again, unless the error is LOST: QEMU has gone. ORDER is
 * changed for the next try. */
gboolean vmm_rescue(VmmMonitor *monitor, VmmGuardOrder *order, const VmmWill *will, GError **error);

#endif
