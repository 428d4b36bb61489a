/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a QMP monitor says, from its greeting on.
 */
#include <sys/socket.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/peer.h"
#include "vmm/machine.h"
#include "vmm/qmp.h"
#include "vmm/socket.h"

static void
talk(VmmMonitor *monitor)
{
    g_autofree char *state = NULL, *text = NULL;
    g_autoptr(JsonNode) answer = NULL;
    gboolean running;
    gint64 at_us;

    vmm_monitor_run_state(monitor, &running, &state, NULL);
    text = vmm_monitor_hmp(monitor, "info mtree -f", -1, NULL);
    answer = vmm_monitor_execute(monitor, "query-chardev", NULL, NULL);
    vmm_monitor_last_resume(monitor, &at_us);
}

void
fuzz(const guint8 *data, gsize size)
{
    static const char *path;
    g_autoptr(VmmMonitor) monitor = NULL;

    if (path == NULL)
        path = fuzz_peer_listen(SOCK_STREAM);
    fuzz_peer_says(data, size, -1);
    monitor = vmm_qmp_new(vmm_socket_connect(path, NULL), "it", G_USEC_PER_SEC, G_USEC_PER_SEC, NULL);
    if (monitor != NULL)
        talk(monitor);
}
