/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/qemu-object.h"

#include "vmm/error.h"

#define MAX_SHOWN_BYTES 64

char *
vmm_qemu_property(VmmMonitor *monitor, const char *path, const char *property)
{
    JsonObject *arguments = json_object_new();
    g_autoptr(JsonNode) value = NULL;

    json_object_set_string_member(arguments, "path", path);
    json_object_set_string_member(arguments, "property", property);
    value = vmm_monitor_execute(monitor, "qom-get", arguments, NULL);
    return value != NULL && JSON_NODE_HOLDS_VALUE(value) && json_node_get_value_type(value) == G_TYPE_STRING
        ? json_node_dup_string(value) : NULL;
}

gboolean
vmm_qemu_check_readable(VmmMonitor *monitor, GError **error)
{
    g_autofree char *path = vmm_qemu_property(monitor, "/machine", "confidential-guest-support");
    g_autofree char *type = NULL;

    if (path == NULL || *path == '\0')
        return TRUE;
    type = vmm_qemu_property(monitor, path, "type");
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED,
                "the guest is a confidential one (%.*s): its memory is encrypted, and cannot be read from its host",
                MAX_SHOWN_BYTES, type != NULL ? type : path);
    return FALSE;
}
