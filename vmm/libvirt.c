/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "vmm/backend.h"
#include "vmm/json.h"
#include "vmm/libvirt-call.h"
#include "vmm/libvirt-connect.h"
#include "vmm/libvirt-monitor.h"
#include "vmm/qemu.h"
#include "vmm/qemu-text.h"
#include "vmm/rescue.h"
#include "vmm/socket.h"

#define RESCUE_ATTEMPTS 7200

/* libvirt's name for the character device that its own monitor connection uses. */
#define MONITOR_CHARDEV "charmonitor"

/* In virsh's order: a number is an id, then a UUID, then a name. */
static virDomainPtr
look_up(virConnectPtr connection, const char *name)
{
    virDomainPtr domain = NULL;
    guint64 id;

    if (g_ascii_string_to_unsigned(name, 10, 0, G_MAXINT, &id, NULL))
        domain = virDomainLookupByID(connection, id);
    if (domain == NULL && g_uuid_string_is_valid(name))
        domain = virDomainLookupByUUIDString(connection, name);
    return domain != NULL ? domain : virDomainLookupByName(connection, name);
}

static virDomainPtr
find_domain(virConnectPtr connection, const char *name, GError **error)
{
    g_autoptr(virDomain) domain = look_up(connection, name);
    const virError *last = virGetLastError();

    if (domain == NULL && last != NULL && last->code == VIR_ERR_NO_DOMAIN) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_NOT_FOUND, "there is no domain '%s'", name);
        return NULL;
    }
    if (domain == NULL) {
        vmm_libvirt_set_error(VMM_ERROR_UNREACHABLE, name, error);
        return NULL;
    }
    if (virDomainIsActive(domain) != 1) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "domain '%s' is shut off; start it first", name);
        return NULL;
    }
    return g_steal_pointer(&domain);
}

/* The domain's own directory, where QEMU may make sockets under libvirt's confinement: that of its monitor. */
static char *
find_directory(const GPtrArray *chardevs, GError **error)
{
    g_autofree char *path = NULL;

    for (guint i = 0; chardevs != NULL && i < chardevs->len && path == NULL; i++)
        if (g_strcmp0(vmm_json_string(g_ptr_array_index(chardevs, i), "label"), MONITOR_CHARDEV) == 0)
            path = vmm_qemu_parse_listener(vmm_json_string(g_ptr_array_index(chardevs, i), "filename"), NULL);
    if (path == NULL)
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_PROTOCOL,
                            "cannot tell the domain's directory: QEMU does not show libvirt's monitor socket");
    return path != NULL ? g_path_get_dirname(path) : NULL;
}

static void
open_member(JsonBuilder *builder, const char *name)
{
    json_builder_set_member_name(builder, name);
    json_builder_begin_object(builder);
}

/* chardev-add's arguments for a socket that QEMU listens on. */
static JsonObject *
describe_chardev(const char *id, const char *path)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonNode) root = NULL;

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "id");
    json_builder_add_string_value(builder, id);
    open_member(builder, "backend");
    json_builder_set_member_name(builder, "type");
    json_builder_add_string_value(builder, "socket");
    open_member(builder, "data");
    json_builder_set_member_name(builder, "server");
    json_builder_add_boolean_value(builder, TRUE);
    json_builder_set_member_name(builder, "wait");
    json_builder_add_boolean_value(builder, FALSE);
    open_member(builder, "addr");
    json_builder_set_member_name(builder, "type");
    json_builder_add_string_value(builder, "unix");
    open_member(builder, "data");
    json_builder_set_member_name(builder, "path");
    json_builder_add_string_value(builder, path);
    for (guint depth = 0; depth < 5; depth++)
        json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    return json_object_ref(json_node_get_object(root));
}

static void
remove_chardev(VmmMonitor *monitor, const char *id)
{
    JsonObject *arguments = json_object_new();
    g_autoptr(JsonNode) done = NULL;

    json_object_set_string_member(arguments, "id", id);
    done = vmm_monitor_execute(monitor, "chardev-remove", arguments, NULL);
}

/* Ours are called after our process. */
#define CHARDEV_PREFIX "vlp"

static gboolean
is_left(const char *label)
{
    guint64 pid;

    return label != NULL && g_str_has_prefix(label, CHARDEV_PREFIX)
           && g_ascii_string_to_unsigned(label + strlen(CHARDEV_PREFIX), 10, 1, G_MAXINT32, &pid, NULL)
           && kill(pid, 0) != 0 && errno == ESRCH;
}

/* Those of runs that were killed together with their guard. */
static void
remove_left(VmmMonitor *monitor, const GPtrArray *chardevs, const char *directory)
{
    for (guint i = 0; i < chardevs->len; i++) {
        const char *label = vmm_json_string(g_ptr_array_index(chardevs, i), "label");
        g_autofree char *path = is_left(label) ? g_build_filename(directory, label, NULL) : NULL;

        if (path == NULL)
            continue;
        remove_chardev(monitor, label);
        unlink(path);
    }
}

static char *
look_at_chardevs(VmmMonitor *monitor, GError **error)
{
    g_autoptr(JsonNode) value = vmm_monitor_execute(monitor, "query-chardev", NULL, error);
    g_autoptr(GPtrArray) chardevs = value != NULL ? vmm_json_objects(value) : NULL;
    char *directory = value != NULL ? find_directory(chardevs, error) : NULL;

    if (directory != NULL)
        remove_left(monitor, chardevs, directory);
    return directory;
}

/* QEMU inherits its monitor's socket from libvirtd, so that one does not tell who QEMU is. One that it makes itself
 * does. */
static gboolean
find_pid(VmmMonitor *monitor, const char *chardev, const char *path, pid_t *pid, GError **error)
{
    g_autoptr(JsonNode) added = vmm_monitor_execute(monitor, "chardev-add", describe_chardev(chardev, path), error);
    VMM_AUTO_FD int fd = added != NULL ? vmm_socket_connect(path, error) : -1;
    gboolean found = fd >= 0 && vmm_socket_peer_pid(fd, pid, error);

    vmm_fd_clear(&fd);
    if (added != NULL)
        remove_chardev(monitor, chardev);
    unlink(path);
    return found;
}

static gboolean
find_pid_guarded(VmmMonitor *monitor, VmmGuard *guard, const char *uuid, const char *directory, pid_t *pid,
                 GError **error)
{
    g_autofree char *chardev = g_strdup_printf(CHARDEV_PREFIX "%d", (int)getpid());
    g_autofree char *path = g_build_filename(directory, chardev, NULL);
    VmmGuardOrder order = { 0 };
    gboolean found;

    g_strlcpy(order.machine, uuid, sizeof order.machine);
    g_strlcpy(order.chardev, chardev, sizeof order.chardev);
    g_strlcpy(order.socket_path, path, sizeof order.socket_path);
    if (!vmm_guard_arm(guard, &order, error))
        return FALSE;
    found = find_pid(monitor, chardev, path, pid, error);
    vmm_guard_disarm(guard);
    return found;
}

/* In the guard's process, which was forked before this one had anything to do with libvirt. Tries for as long as there
 * is such a domain: libvirtd may be what was just restarted. */
static void
rescue_by_libvirt(gpointer data, const VmmGuardOrder *order, const VmmWill *will)
{
    const char *uri = data;
    VmmGuardOrder left = *order;
    gboolean done = FALSE;

    for (guint i = 0; !done && i < RESCUE_ATTEMPTS; i++) {
        g_autoptr(virConnect) connection = vmm_libvirt_connect(uri, NULL);
        virDomainPtr domain = connection != NULL ? virDomainLookupByUUIDString(connection, order->machine) : NULL;

        if (domain != NULL) {
            g_autoptr(VmmMonitor) monitor = vmm_libvirt_monitor_new(domain);

            done = virDomainIsActive(domain) == 0 || vmm_rescue(monitor, &left, will, NULL);
        }
        if (!done)
            g_usleep(VMM_RESCUE_INTERVAL_US);
    }
}

static gboolean
open_domain(virDomainPtr domain, VmmGuard *guard, VmmBackendInstance *instance, GError **error)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    g_autofree char *name = g_strdup(virDomainGetName(domain));
    g_autofree char *directory = NULL;
    VmmQemuParts parts = { .guard = guard, .name = name, .identity = uuid };
    VmmMonitor *monitor = vmm_libvirt_monitor_new(domain);

    virDomainGetUUIDString(domain, uuid);
    directory = look_at_chardevs(monitor, error);
    if (directory == NULL || !find_pid_guarded(monitor, guard, uuid, directory, &parts.pid, error)) {
        vmm_guard_free(guard);
        vmm_monitor_free(monitor);
        return FALSE;
    }
    parts.monitor = monitor;
    parts.stub_directory = directory;
    return vmm_qemu_open(&parts, instance, error);
}

/* A domain that is looked for. */
typedef struct {
    char *name, *uri;
    virDomainPtr domain;        /* that was found; holds its connection */
} Search;

static Search *
search_new(const char *name, const char *uri)
{
    Search *search = g_new0(Search, 1);

    search->name = g_strdup(name);
    search->uri = g_strdup(uri);
    return search;
}

static void
search_free(gpointer data)
{
    Search *search = data;

    if (search->domain != NULL)
        virDomainFree(search->domain);
    g_free(search->name);
    g_free(search->uri);
    g_free(search);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Search, search_free)

static gboolean
look_for_it(gpointer data, GError **error)
{
    Search *search = data;
    g_autoptr(virConnect) connection = vmm_libvirt_connect(search->uri, error);

    search->domain = connection != NULL ? find_domain(connection, search->name, error) : NULL;
    return search->domain != NULL;
}

gboolean
vmm_libvirt_open(const char *domain_name, const char *uri, VmmBackendInstance *instance, GError **error)
{
    g_autoptr(VmmGuard) guard = vmm_guard_new(rescue_by_libvirt, (gpointer)uri, -1, error);
    g_autoptr(Search) search = NULL;

    if (guard == NULL)
        return FALSE;
    search = vmm_libvirt_call(look_for_it, search_new(domain_name, uri), search_free, VMM_MONITOR_TIMEOUT_US, error);
    if (search == NULL)
        return FALSE;
    if (open_domain(g_steal_pointer(&search->domain), g_steal_pointer(&guard), instance, error))
        return TRUE;
    g_prefix_error(error, "domain '%s': ", domain_name);
    return FALSE;
}
