/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/qemu-channel.h"

#include <string.h>

#include "vmm/error.h"
#include "vmm/json.h"
#include "vmm/qemu-object.h"

#define MAX_DEVICES 4096

/* The character device of the port called NAME among the devices in CONTAINER; NULL if it is not there. */
static char *
find_in(VmmMonitor *monitor, const char *container, const char *name)
{
    JsonObject *arguments = json_object_new();
    g_autoptr(JsonNode) value = NULL;
    g_autoptr(GPtrArray) devices = NULL;

    json_object_set_string_member(arguments, "path", container);
    value = vmm_monitor_execute(monitor, "qom-list", arguments, NULL);
    devices = value != NULL ? vmm_json_objects(value) : NULL;
    for (guint i = 0; devices != NULL && i < MIN(devices->len, MAX_DEVICES); i++) {
        g_autofree char *path = NULL, *found = NULL;
        const char *device = vmm_json_string(devices->pdata[i], "name");

        if (device == NULL || g_strcmp0(vmm_json_string(devices->pdata[i], "type"), "child<virtserialport>") != 0)
            continue;
        path = g_strdup_printf("%s/%s", container, device);
        found = vmm_qemu_property(monitor, path, "name");
        if (g_strcmp0(found, name) == 0)
            return vmm_qemu_property(monitor, path, "chardev");
    }
    return NULL;
}

/* Of `unix:PATH,server=on`, with `disconnected:` before it while nobody is there; NULL if it is something else. */
static char *
socket_path(const char *filename)
{
    const char *start = filename != NULL ? strstr(filename, "unix:") : NULL;

    if (start == NULL || (start != filename && !g_str_has_prefix(filename, "disconnected:")))
        return NULL;
    start += strlen("unix:");
    return g_strndup(start, strcspn(start, ","));
}

char *
vmm_qemu_find_channel(VmmMonitor *monitor, const char *name, GError **error)
{
    g_autofree char *label = find_in(monitor, "/machine/peripheral", name);
    g_autoptr(JsonNode) value = NULL;
    g_autoptr(GPtrArray) devices = NULL;
    char *path = NULL;

    if (label == NULL)
        label = find_in(monitor, "/machine/peripheral-anon", name);
    value = label != NULL ? vmm_monitor_execute(monitor, "query-chardev", NULL, error) : NULL;
    if (label != NULL && value == NULL)
        return NULL;
    devices = value != NULL ? vmm_json_objects(value) : NULL;
    for (guint i = 0; devices != NULL && path == NULL && i < devices->len; i++)
        if (g_strcmp0(vmm_json_string(devices->pdata[i], "label"), label) == 0)
            path = socket_path(vmm_json_string(devices->pdata[i], "filename"));
    if (path == NULL)
        g_set_error(error, VMM_ERROR, VMM_ERROR_NOT_FOUND,
                    "the machine has no virtio-serial port %s with a UNIX socket", name);
    return path;
}
