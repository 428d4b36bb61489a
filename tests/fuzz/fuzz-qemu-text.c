/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a monitor says: the text of three of QEMU's commands, and JSON; the first byte chooses.
 */
#include "tests/fuzz/fuzz.h"
#include "vmm/json.h"
#include "vmm/qemu-text.h"

static void
look_at_json(const char *text)
{
    g_autoptr(JsonObject) object = vmm_json_parse(text, NULL);
    g_autoptr(GPtrArray) objects = NULL;
    gboolean boolean;
    gint64 number;

    if (object == NULL)
        return;
    vmm_json_string(object, "a");
    vmm_json_int(object, "a", &number);
    vmm_json_boolean(object, "a", &boolean);
    vmm_json_string(vmm_json_object(object, "return"), "a");
    if (json_object_has_member(object, "a"))
        objects = vmm_json_objects(json_object_get_member(object, "a"));
}

void
fuzz(const guint8 *data, gsize size)
{
    g_autofree char *text = NULL, *path = NULL;
    g_autoptr(GArray) ranges = NULL;
    VmmVcpu vcpu = { 0 };
    gboolean connected;
    guint64 hva;

    if (size == 0)
        return;
    text = g_strndup((const char *) data + 1, size - 1);
    switch (data[0] % 5) {
    case 0:
        ranges = vmm_qemu_parse_mtree(text, NULL);
        break;
    case 1:
        vmm_qemu_parse_gpa2hva(text, &hva, NULL);
        break;
    case 2:
        vmm_qemu_parse_registers(text, &vcpu, NULL);
        break;
    case 3:
        look_at_json(text);
        break;
    default:
        path = vmm_qemu_parse_listener(text, &connected);
        break;
    }
}
