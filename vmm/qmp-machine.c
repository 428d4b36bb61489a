/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "vmm/backend.h"
#include "vmm/qemu.h"
#include "vmm/qmp.h"
#include "vmm/socket.h"

#define RESCUE_TIMEOUT_US (30 * G_USEC_PER_SEC)

#define RESCUE_MARK "vlp-rescue"

/* The stub goes first: a connection that it has not seen yet would stop the guest again. The last request, whose answer
 * is waited for, bears the mark. */
#define CLOSE_STUB "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"gdbserver none\"}"
static const char close_and_resume[] = CLOSE_STUB "}\n{\"execute\":\"cont\",\"id\":\"" RESCUE_MARK "\"}\n";
static const char close_only[] = CLOSE_STUB ",\"id\":\"" RESCUE_MARK "\"}\n";

/*
 * In the guard's process: nobody else uses the monitor's connection any more. QEMU must be let answer; it drops what it
 * has not read when the connection closes. Nothing here allocates, as the process was forked from one with threads.
 */
static void
resume_by_qmp(gpointer data, const VmmGuardOrder *order)
{
    const char *requests = order->may_be_paused ? close_and_resume : close_only;
    int fd = GPOINTER_TO_INT(data);
    gint64 deadline = g_get_monotonic_time() + RESCUE_TIMEOUT_US;
    char window[8192];
    gsize kept = 0;

    if (!vmm_socket_send(fd, requests, strlen(requests), deadline, NULL))
        return;
    while (vmm_socket_wait(fd, POLLIN, deadline) != 0) {
        ssize_t n = recv(fd, window + kept, sizeof window - kept, MSG_DONTWAIT);

        if (n <= 0)
            return;
        if (memmem(window, kept + n, RESCUE_MARK, strlen(RESCUE_MARK)) != NULL)
            return;
        n += kept;
        kept = MIN((gsize)n, strlen(RESCUE_MARK) - 1);     /* a mark may be split between two reads */
        memmove(window, window + n - kept, kept);
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
    parts.guard = vmm_guard_new(resume_by_qmp, GINT_TO_POINTER(kept_fd), kept_fd, error);
    if (parts.guard == NULL) {
        vmm_monitor_free(parts.monitor);
        return FALSE;
    }
    if (vmm_qemu_open(&parts, instance, error))
        return TRUE;
    g_prefix_error(error, "%s: ", socket_path);
    return FALSE;
}
