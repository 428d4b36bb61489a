/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/libvirt-connect.h"

#include <libvirt/virterror.h>
#include <string.h>

#include "vmm/domains.h"
#include "vmm/libvirt-monitor.h"

static void
print_nothing(void *data, virErrorPtr error)
{
}

static gboolean
check_host(const char *text, GError **error)
{
    g_autoptr(GUri) uri = text != NULL ? g_uri_parse(text, G_URI_FLAGS_PARSE_RELAXED, NULL) : NULL;
    const char *host = uri != NULL ? g_uri_get_host(uri) : NULL;

    if (host == NULL || *host == '\0' || strcmp(host, "localhost") == 0 || strcmp(host, g_get_host_name()) == 0)
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_USAGE, "%s is on another host, and guest memory can only be reached on the "
                "host where the guest runs: run this on %s, with that host's own URI (qemu:///system)", text, host);
    return FALSE;
}

/* An alias of libvirt's configuration may have hidden the host. */
static gboolean
check_connection(virConnectPtr connection, GError **error)
{
    const char *type = virConnectGetType(connection);
    char *uri = virConnectGetURI(connection);
    gboolean is_here = check_host(uri, error);

    free(uri);
    if (is_here && g_strcmp0(type, "QEMU") != 0) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "libvirt's connection is to %s, and only QEMU/KVM domains "
                    "can be reached; choose another URI", type != NULL ? type : "an unknown hypervisor");
        return FALSE;
    }
    return is_here;
}

virConnectPtr
vmm_libvirt_connect(const char *uri, GError **error)
{
    g_autoptr(virConnect) connection = NULL;

    virSetErrorFunc(NULL, print_nothing);
    /* Looked at before another host is bothered, or asks for a password. */
    if (!check_host(uri != NULL ? uri : g_getenv("LIBVIRT_DEFAULT_URI"), error))
        return NULL;
    connection = virConnectOpen(uri);
    if (connection == NULL) {
        g_autofree char *context = g_strdup_printf("cannot connect to libvirt (%s)", uri != NULL ? uri : "default URI");

        vmm_libvirt_set_error(VMM_ERROR_UNREACHABLE, context, error);
        return NULL;
    }
    return check_connection(connection, error) ? g_steal_pointer(&connection) : NULL;
}

static const char *
state_word(virDomainPtr domain)
{
    static const char *const words[] = {
        [VIR_DOMAIN_NOSTATE] = "no state", [VIR_DOMAIN_RUNNING] = "running", [VIR_DOMAIN_BLOCKED] = "idle",
        [VIR_DOMAIN_PAUSED] = "paused", [VIR_DOMAIN_SHUTDOWN] = "in shutdown", [VIR_DOMAIN_SHUTOFF] = "shut off",
        [VIR_DOMAIN_CRASHED] = "crashed", [VIR_DOMAIN_PMSUSPENDED] = "pmsuspended",
    };
    int state, reason;

    if (virDomainGetState(domain, &state, &reason, 0) != 0 || state < 0 || state >= (int)G_N_ELEMENTS(words))
        return "no state";
    return words[state];
}

static VmmDomain *
describe(virDomainPtr domain)
{
    VmmDomain *entry = g_new0(VmmDomain, 1);
    unsigned int id = virDomainGetID(domain);

    entry->id = id == (unsigned int)-1 ? -1 : (gint64)id;
    entry->name = g_strdup(virDomainGetName(domain));
    virDomainGetUUIDString(domain, entry->uuid);
    entry->state = state_word(domain);
    return entry;
}

static void
domain_free(gpointer data)
{
    VmmDomain *entry = data;

    g_free(entry->name);
    g_free(entry);
}

static gint
compare_domains(gconstpointer a, gconstpointer b)
{
    const VmmDomain *first = *(VmmDomain *const *)a, *second = *(VmmDomain *const *)b;

    if ((first->id < 0) != (second->id < 0))
        return first->id < 0 ? 1 : -1;
    if (first->id != second->id)
        return first->id < second->id ? -1 : 1;
    return strcmp(first->name, second->name);
}

GPtrArray *
vmm_domains_list(const char *uri, gboolean all, GError **error)
{
    g_autoptr(virConnect) connection = vmm_libvirt_connect(uri, error);
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(domain_free);
    virDomainPtr *domains = NULL;
    int n;

    if (connection == NULL)
        return NULL;
    n = virConnectListAllDomains(connection, &domains, all ? 0 : VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    if (n < 0) {
        vmm_libvirt_set_error(VMM_ERROR_UNREACHABLE, "cannot list the domains", error);
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        g_ptr_array_add(entries, describe(domains[i]));
        virDomainFree(domains[i]);
    }
    free(domains);
    g_ptr_array_sort(entries, compare_domains);
    return g_steal_pointer(&entries);
}
