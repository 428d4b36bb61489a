/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/stub.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/error.h"
#include "vmm/json.h"
#include "vmm/qemu-text.h"
#include "vmm/socket.h"

/* Short, as the directories of libvirt's domains can be nearly as long as a socket's path may be. */
#define SOCKET_NAME "vlp.gdb"
/* The name that QEMU itself gives to the stub's character device. */
#define STUB_CHARDEV "gdb"
/* What the directories begin with that are made for it. */
#define DIRECTORY_NAME "virt-livepatch-"

struct VmmStub {
    VmmMonitor *monitor;
    char *directory;            /* ours, or NULL */
    uid_t owner;                /* who has to be able to make a socket in it */
    char *path, *announced_path;
    gboolean is_open;
};

/* Root's is one that every user's QEMU can reach, whatever TMPDIR says here. */
static const char *
run_directory(void)
{
    const char *set = g_getenv("VIRT_LIVEPATCH_RUN");

    return set != NULL && *set != '\0' ? set : geteuid() == 0 ? "/run" : "/tmp";
}

/* The name is known before there is such a directory, so that the guard can be told of it first. */
static char *
choose_directory(void)
{
    g_autofree char *uuid = g_uuid_string_random();

    return g_strdup_printf("%s/" DIRECTORY_NAME "%.18s", run_directory(), uuid);
}

static gboolean
make_directory(const VmmStub *stub, GError **error)
{
    if (mkdir(stub->directory, 0700) != 0) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "cannot make %s for the gdb stub's socket: %s",
                    stub->directory, g_strerror(errno));
        return FALSE;
    }
    if (stub->owner != geteuid() && chown(stub->directory, stub->owner, -1) != 0) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "cannot give %s to QEMU's user %u: %s; run this as root",
                    stub->directory, (unsigned int)stub->owner, g_strerror(errno));
        return FALSE;
    }
    return TRUE;
}

VmmStub *
vmm_stub_new(VmmMonitor *monitor, const char *directory, uid_t owner, GError **error)
{
    g_autoptr(VmmStub) stub = g_new0(VmmStub, 1);

    stub->monitor = monitor;
    stub->owner = owner;
    if (directory == NULL)
        stub->directory = choose_directory();
    stub->path = g_build_filename(directory != NULL ? directory : stub->directory, SOCKET_NAME, NULL);
    stub->announced_path = g_strconcat(stub->path, VMM_STUB_ANNOUNCED, NULL);
    if (strlen(stub->announced_path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "%s is too long for a socket's path", stub->path);
        return NULL;
    }
    return g_steal_pointer(&stub);
}

void
vmm_stub_free(VmmStub *stub)
{
    if (stub == NULL)
        return;
    vmm_stub_close(stub);
    unlink(stub->path);
    unlink(stub->announced_path);
    if (stub->directory != NULL)
        rmdir(stub->directory);
    vmm_stub_leave(stub);
}

void
vmm_stub_leave(VmmStub *stub)
{
    g_free(stub->path);
    g_free(stub->announced_path);
    g_free(stub->directory);
    g_free(stub);
}

void
vmm_stub_describe(const VmmStub *stub, VmmGuardOrder *order)
{
    g_strlcpy(order->socket_path, stub->path, sizeof order->socket_path);
    order->owns_directory = stub->directory != NULL;
}

/* *PLACE: what QEMU says of the stub's socket; NULL if the stub is not open. To be freed. */
static gboolean
find_place(VmmMonitor *monitor, char **place, GError **error)
{
    g_autoptr(JsonNode) value = vmm_monitor_execute(monitor, "query-chardev", NULL, error);
    g_autoptr(GPtrArray) chardevs = value != NULL ? vmm_json_objects(value) : NULL;

    *place = NULL;
    for (guint i = 0; chardevs != NULL && i < chardevs->len && *place == NULL; i++) {
        JsonObject *chardev = g_ptr_array_index(chardevs, i);
        const char *filename = vmm_json_string(chardev, "filename");

        if (g_strcmp0(vmm_json_string(chardev, "label"), STUB_CHARDEV) == 0)
            *place = g_strdup(filename != NULL ? filename : "place unknown");
    }
    return value != NULL;
}

/* The path of the socket, if it is one of ours; to be freed. */
static char *
parse_place(const char *place, gboolean *is_connected)
{
    g_autofree char *path = vmm_qemu_parse_listener(place, is_connected);
    g_autofree char *name = path != NULL ? g_path_get_basename(path) : NULL;

    return g_strcmp0(name, SOCKET_NAME) == 0 ? g_steal_pointer(&path) : NULL;
}

gboolean
vmm_stub_check_unused(VmmMonitor *monitor, GError **error)
{
    g_autofree char *place = NULL, *path = NULL;
    gboolean is_connected = FALSE;

    if (!find_place(monitor, &place, error))
        return FALSE;
    if (place == NULL)
        return TRUE;
    path = parse_place(place, &is_connected);
    if (path != NULL && !is_connected)
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_BUSY, "a virt-livepatch that was killed has left the guest's gdb "
                            "stub open; 'virt-livepatch recover' puts that right");
    else
        g_set_error(error, VMM_ERROR, VMM_ERROR_BUSY, "somebody else uses the guest's gdb stub (%s); when they are "
                    "done, or if nobody does any more, close it with 'gdbserver none' in QEMU's monitor", place);
    return FALSE;
}

VmmStub *
vmm_stub_find(VmmMonitor *monitor, gboolean *is_announced, gboolean *is_connected, GError **error)
{
    g_autofree char *place = NULL, *path = NULL, *directory = NULL, *name = NULL;
    VmmStub *stub;

    if (!find_place(monitor, &place, error) || (path = parse_place(place, is_connected)) == NULL)
        return NULL;
    directory = g_path_get_dirname(path);
    name = g_path_get_basename(directory);
    stub = g_new0(VmmStub, 1);
    stub->monitor = monitor;
    stub->is_open = TRUE;
    stub->announced_path = g_strconcat(path, VMM_STUB_ANNOUNCED, NULL);
    stub->path = g_steal_pointer(&path);
    if (g_str_has_prefix(name, DIRECTORY_NAME))
        stub->directory = g_steal_pointer(&directory);
    *is_announced = access(stub->announced_path, F_OK) == 0;
    return stub;
}

/* PATH as a value in a QEMU option string, where a comma is doubled, in a quoted word of the human monitor. */
static char *
quote_path(const char *path)
{
    GString *quoted = g_string_new(NULL);

    for (; *path != '\0'; path++) {
        if (*path == '"' || *path == '\\')
            g_string_append_c(quoted, '\\');
        g_string_append_c(quoted, *path);
        if (*path == ',')
            g_string_append_c(quoted, ',');
    }
    return g_string_free(quoted, FALSE);
}

gboolean
vmm_stub_open(VmmStub *stub, GError **error)
{
    g_autofree char *quoted = quote_path(stub->path);
    g_autofree char *line = g_strdup_printf("gdbserver \"unix:%s,server=on,wait=off\"", quoted);
    g_autofree char *answer = NULL;

    if (stub->directory != NULL && !make_directory(stub, error))
        return FALSE;
    /* Also closed when the answer does not come: it may have been opened all the same. */
    stub->is_open = TRUE;
    answer = vmm_monitor_hmp(stub->monitor, line, -1, error);
    if (answer == NULL)
        return FALSE;
    if (!g_str_has_prefix(answer, "Waiting for gdb connection")) {
        stub->is_open = FALSE;
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "QEMU does not open its gdb stub on %s: %s", stub->path,
                    *g_strstrip(answer) != '\0' ? answer : "no reason given");
        return FALSE;
    }
    return TRUE;
}

gboolean
vmm_stub_announce(VmmStub *stub, GError **error)
{
    if (rename(stub->path, stub->announced_path) == 0)
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "cannot rename %s: %s", stub->path, g_strerror(errno));
    return FALSE;
}

int
vmm_stub_connect(VmmStub *stub, GError **error)
{
    return vmm_socket_connect(stub->announced_path, error);
}

void
vmm_stub_close(VmmStub *stub)
{
    g_autofree char *answer = NULL;

    if (stub->is_open)
        answer = vmm_monitor_hmp(stub->monitor, "gdbserver none", -1, NULL);
    stub->is_open = FALSE;
}
