/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/backend.h"

gboolean
vmm_libvirt_open(const char *domain, const char *uri, VmmBackendInstance *instance, GError **error)
{
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "'%s': libvirt domains are not supported yet", domain);
    return FALSE;
}
