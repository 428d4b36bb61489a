/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/monitor.h"

#include "vmm/error.h"
#include "vmm/json.h"

/* For a monitor that left the last request unanswered: so that what has to be tidied up takes seconds, not minutes. */
#define SILENT_TIMEOUT_US G_USEC_PER_SEC

struct VmmMonitor {
    const VmmMonitorOps *ops;
    gpointer self;
    gint64 timeout_us;
    gboolean is_silent;         /* it let the time of the last request pass */
};

VmmMonitor *
vmm_monitor_new(const VmmMonitorOps *ops, gpointer self, gint64 timeout_us)
{
    VmmMonitor *monitor = g_new0(VmmMonitor, 1);

    monitor->ops = ops;
    monitor->self = self;
    monitor->timeout_us = timeout_us;
    return monitor;
}

void
vmm_monitor_free(VmmMonitor *monitor)
{
    if (monitor == NULL)
        return;
    monitor->ops->close(monitor->self);
    g_free(monitor);
}

static void
set_refusal(const char *command, JsonObject *reply, GError **error)
{
    JsonObject *refusal = vmm_json_object(reply, "error");
    const char *description = vmm_json_string(refusal, "desc");
    gboolean unknown = g_strcmp0(vmm_json_string(refusal, "class"), "CommandNotFound") == 0;

    g_set_error(error, VMM_ERROR, unknown ? VMM_ERROR_UNSUPPORTED : VMM_ERROR_PROTOCOL,
                "QEMU's monitor refused '%s': %s", command, description != NULL ? description : "no reason given");
}

static gint64
patience(const VmmMonitor *monitor)
{
    return monitor->is_silent ? MIN(SILENT_TIMEOUT_US, monitor->timeout_us) : monitor->timeout_us;
}

JsonNode *
vmm_monitor_execute(VmmMonitor *monitor, const char *command, JsonObject *arguments, GError **error)
{
    g_autoptr(JsonObject) request = json_object_new();
    g_autoptr(JsonObject) reply = NULL;
    JsonNode *value = NULL;
    GError *cause = NULL;

    json_object_set_string_member(request, "execute", command);
    if (arguments != NULL)
        json_object_set_object_member(request, "arguments", arguments);

    reply = monitor->ops->exchange(monitor->self, request, patience(monitor), &cause);
    monitor->is_silent = g_error_matches(cause, VMM_ERROR, VMM_ERROR_UNREACHABLE);
    if (reply == NULL) {
        g_propagate_error(error, cause);
        g_prefix_error(error, "QEMU's monitor, asked for '%s': ", command);
        return NULL;
    }
    value = json_object_get_member(reply, "return");
    if (value == NULL) {
        set_refusal(command, reply, error);
        return NULL;
    }
    return json_node_copy(value);
}

char *
vmm_monitor_hmp(VmmMonitor *monitor, const char *line, gint cpu_index, GError **error)
{
    JsonObject *arguments = json_object_new();
    g_autoptr(JsonNode) value = NULL;

    json_object_set_string_member(arguments, "command-line", line);
    if (cpu_index >= 0)
        json_object_set_int_member(arguments, "cpu-index", cpu_index);

    value = vmm_monitor_execute(monitor, "human-monitor-command", arguments, error);
    if (value == NULL)
        return NULL;
    if (!JSON_NODE_HOLDS_VALUE(value) || json_node_get_value_type(value) != G_TYPE_STRING) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "QEMU's monitor answered '%s' with no text", line);
        return NULL;
    }
    return g_strdup(json_node_get_string(value));
}

gboolean
vmm_monitor_run_state(VmmMonitor *monitor, gboolean *running, char **state, GError **error)
{
    g_autoptr(JsonNode) value = vmm_monitor_execute(monitor, "query-status", NULL, error);
    JsonObject *status = NULL;
    const char *word = NULL;

    if (value == NULL)
        return FALSE;
    status = JSON_NODE_HOLDS_OBJECT(value) ? json_node_get_object(value) : NULL;
    word = vmm_json_string(status, "status");
    if (word == NULL || !vmm_json_boolean(status, "running", running)) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "QEMU's monitor does not say if the guest runs");
        return FALSE;
    }
    if (state != NULL)
        *state = g_strdup(word);
    return TRUE;
}

gboolean
vmm_monitor_check_idle(VmmMonitor *monitor, GError **error)
{
    return monitor->ops->check_idle == NULL || monitor->ops->check_idle(monitor->self, patience(monitor), error);
}

gboolean
vmm_monitor_confirm_running(VmmMonitor *monitor, GError **error)
{
    return monitor->ops->confirm_running == NULL || monitor->ops->confirm_running(monitor->self, error);
}

gboolean
vmm_monitor_last_resume(VmmMonitor *monitor, gint64 *at_us)
{
    return monitor->ops->last_resume != NULL && monitor->ops->last_resume(monitor->self, at_us);
}
