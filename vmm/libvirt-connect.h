/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt's connection to this host's QEMU, and what domains it has.
 */
#ifndef VMM_LIBVIRT_CONNECT_H
#define VMM_LIBVIRT_CONNECT_H

#include <glib.h>
#include <libvirt/libvirt.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, virDomainFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virConnect, virConnectClose)

/* URI as virsh's -c has it; NULL: libvirt's default, which LIBVIRT_DEFAULT_URI may set. To be closed. Errors: USAGE
 * (another host's URI), UNSUPPORTED (another hypervisor), UNREACHABLE. */
virConnectPtr vmm_libvirt_connect(const char *uri, GError **error);

#endif
