/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table by which a kernel finds its processors and interrupt controllers where there is no ACPI: Intel's
 * MultiProcessor Specification 1.4.
 */
#ifndef VMM_KVM_MPTABLE_H
#define VMM_KVM_MPTABLE_H

#include <glib.h>

#define VMM_MPTABLE_MAX_BYTES 4096

/* At PA, which BYTES shows; between 0xf0000 and 0x100000, aligned to 16. */
void vmm_mptable_write(guint8 *bytes, guint32 pa, guint n_vcpus);

#endif
