/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's monitor, however it is reached: one request in, one reply out.
 */
#ifndef VMM_MONITOR_H
#define VMM_MONITOR_H

#include <json-glib/json-glib.h>

/* How long QEMU may take to answer; it does so from its main loop, which a slow disk can hold up. */
#define VMM_MONITOR_TIMEOUT_US (10 * G_USEC_PER_SEC)

typedef struct {
    /* REQUEST has "execute" and perhaps "arguments"; an "id" is the channel's own matter. Returns the whole reply, with
     * "return" or "error" in it. Errors: LOST, UNREACHABLE (no answer in TIMEOUT), PROTOCOL. */
    JsonObject *(*exchange)(gpointer self, JsonObject *request, gint64 timeout_us, GError **error);
    /* May be NULL. When the guest was last resumed (us since 1970), by QEMU's own events; FALSE if it did not tell. */
    gboolean (*last_resume)(gpointer self, gint64 *at_us);
    /* May be NULL. Whether whoever manages the machine leaves it alone at the moment. Errors: BUSY, those of exchange. */
    gboolean (*check_idle)(gpointer self, gint64 timeout_us, GError **error);
    /* May be NULL. Waits until whoever manages the machine has seen it running again. */
    gboolean (*confirm_running)(gpointer self, GError **error);
    void (*close)(gpointer self);
} VmmMonitorOps;

typedef struct VmmMonitor VmmMonitor;

/* Takes SELF over: ops->close frees it. */
VmmMonitor *vmm_monitor_new(const VmmMonitorOps *ops, gpointer self, gint64 timeout_us);
void vmm_monitor_free(VmmMonitor *monitor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmMonitor, vmm_monitor_free)

/* Runs a QMP command; ARGUMENTS may be NULL and is taken over. A monitor that did not answer is not waited for as long
 * the next time. Returns the value of "return".
 * Errors: what exchange says, UNSUPPORTED (no such command), PROTOCOL (it was refused). */
JsonNode *vmm_monitor_execute(VmmMonitor *monitor, const char *command, JsonObject *arguments, GError **error);

/* Runs a command of the human monitor on the vCPU with that index (-1: whichever) and returns the text it prints. */
char *vmm_monitor_hmp(VmmMonitor *monitor, const char *line, gint cpu_index, GError **error);

/* STATE (may be NULL) is the monitor's own word, to be freed. */
gboolean vmm_monitor_run_state(VmmMonitor *monitor, gboolean *running, char **state, GError **error);

/* Errors: BUSY (whoever manages the machine is at work on it), those of vmm_monitor_execute. */
gboolean vmm_monitor_check_idle(VmmMonitor *monitor, GError **error);

gboolean vmm_monitor_confirm_running(VmmMonitor *monitor, GError **error);

/* To be asked when the guest was seen running again. FALSE if this monitor's channel does not tell. */
gboolean vmm_monitor_last_resume(VmmMonitor *monitor, gint64 *at_us);

#endif
