/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The domains that libvirt has on this host.
 */
#ifndef VMM_DOMAINS_H
#define VMM_DOMAINS_H

#include "vmm/machine.h"

typedef struct {
    gint64 id;              /* -1 if it does not run */
    char *name;
    char uuid[37];
    const char *state;      /* virsh's word for it; static */
    GError *problem;        /* why its QEMU does not answer; NULL if it does, or was not asked */
} VmmDomain;

/* Those that run, or ALL that are defined, in virsh's order: of VmmDomain, to be unreferenced. URI as for
 * vmm_machine_open. Errors: USAGE, UNSUPPORTED, UNREACHABLE. */
GPtrArray *vmm_domains_list(const char *uri, gboolean all, GError **error);

/* Asks those of DOMAINS (of VmmDomain) that run whether they answer; several at a time, so that those which do not take one
 * timeout together. */
void vmm_domains_probe(GPtrArray *domains, const char *uri);

#endif
