/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/backend.h"
#include "vmm/qemu.h"
#include "vmm/qmp.h"
#include "vmm/rescue.h"
#include "vmm/socket.h"

/* In the guard's process: nobody else uses the monitor's connection any more. */
static void
rescue_by_qmp(gpointer data, const VmmGuardOrder *order, const VmmWill *will)
{
    g_autoptr(VmmMonitor) monitor = vmm_qmp_take_over(GPOINTER_TO_INT(data), VMM_RESCUE_TIMEOUT_US);
    VmmGuardOrder left = *order;

    for (;;) {
        g_autoptr(GError) failure = NULL;

        if (vmm_rescue(monitor, &left, will, &failure) || g_error_matches(failure, VMM_ERROR, VMM_ERROR_LOST))
            return;
        g_usleep(VMM_RESCUE_INTERVAL_US);
    }
}

gboolean
vmm_qmp_open(const char *socket_path, const char *uri, VmmBackendInstance *instance, GError **error)
{
    VMM_AUTO_FD int fd = vmm_socket_connect(socket_path, error);
    VmmQemuParts parts = { .name = socket_path };
    int kept_fd = fd;

    if (fd < 0 || !vmm_socket_peer_pid(fd, &parts.pid, error))
        return FALSE;
    parts.monitor = vmm_qmp_new(vmm_fd_steal(&fd), socket_path, VMM_QMP_GREETING_US, VMM_MONITOR_TIMEOUT_US, error);
    if (parts.monitor == NULL)
        return FALSE;
    parts.guard = vmm_guard_new(rescue_by_qmp, GINT_TO_POINTER(kept_fd), kept_fd, error);
    if (parts.guard == NULL) {
        vmm_monitor_free(parts.monitor);
        return FALSE;
    }
    if (vmm_qemu_open(&parts, instance, error))
        return TRUE;
    g_prefix_error(error, "%s: ", socket_path);
    return FALSE;
}
