/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/libvirt-connect.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "vmm/domains.h"
#include "vmm/libvirt-call.h"
#include "vmm/monitor.h"

#define PROBE_TIMEOUT_US (5 * G_USEC_PER_SEC)
#define PROBED_AT_A_TIME 8      /* fewer than libvirtd has workers */
#define OCCUPIED_MS 1000

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
    g_clear_error(&entry->problem);
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

/* A list that is made. */
typedef struct {
    char *uri;
    gboolean all;
    GPtrArray *entries;         /* of VmmDomain */
} Listing;

static void
listing_free(gpointer data)
{
    Listing *listing = data;

    g_free(listing->uri);
    g_ptr_array_unref(listing->entries);
    g_free(listing);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Listing, listing_free)

static gboolean
list_them(gpointer data, GError **error)
{
    Listing *listing = data;
    g_autoptr(virConnect) connection = vmm_libvirt_connect(listing->uri, error);
    virDomainPtr *domains = NULL;
    int n;

    if (connection == NULL)
        return FALSE;
    n = virConnectListAllDomains(connection, &domains, listing->all ? 0 : VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    if (n < 0)
        return vmm_libvirt_set_error(VMM_ERROR_UNREACHABLE, "cannot list the domains", error);
    for (int i = 0; i < n; i++) {
        g_ptr_array_add(listing->entries, describe(domains[i]));
        virDomainFree(domains[i]);
    }
    free(domains);
    g_ptr_array_sort(listing->entries, compare_domains);
    return TRUE;
}

GPtrArray *
vmm_domains_list(const char *uri, gboolean all, GError **error)
{
    Listing *begun = g_new0(Listing, 1);
    g_autoptr(Listing) listing = NULL;

    begun->uri = g_strdup(uri);
    begun->all = all;
    begun->entries = g_ptr_array_new_with_free_func(domain_free);
    listing = vmm_libvirt_call(list_them, begun, listing_free, VMM_MONITOR_TIMEOUT_US, error);
    return listing != NULL ? g_ptr_array_ref(listing->entries) : NULL;
}

/* A domain that is asked whether it answers. */
typedef struct {
    char *uri, uuid[VIR_UUID_STRING_BUFLEN];
} Probe;

static void
probe_free(gpointer data)
{
    g_free(((Probe *)data)->uri);
    g_free(data);
}

/* A question to a QEMU that does not answer takes up one of libvirtd's workers until it does: where there is one already,
 * there should not be another. */
static gboolean
check_unoccupied(virDomainPtr domain, GError **error)
{
    virDomainControlInfo info = { 0 };

    if (virDomainGetControlInfo(domain, &info, 0) != 0 || info.state != VIR_DOMAIN_CONTROL_OCCUPIED
        || info.stateTime < OCCUPIED_MS)
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "its QEMU has not answered libvirt for %llu s",
                info.stateTime / 1000);
    return FALSE;
}

/* Each has a connection of its own: one that nobody answers holds up no other. */
static gboolean
ask_for_status(gpointer data, GError **error)
{
    const Probe *probe = data;
    g_autoptr(virConnect) connection = vmm_libvirt_connect(probe->uri, error);
    g_autoptr(virDomain) domain = connection != NULL ? virDomainLookupByUUIDString(connection, probe->uuid) : NULL;
    char *reply = NULL;
    gboolean done;

    if (connection == NULL)
        return FALSE;
    if (domain == NULL)
        return vmm_libvirt_set_error(VMM_ERROR_UNREACHABLE, "libvirt", error);
    if (!check_unoccupied(domain, error))
        return FALSE;
    done = virDomainQemuMonitorCommand(domain, "{\"execute\":\"query-status\"}", &reply, 0) >= 0;
    free(reply);
    return done || vmm_libvirt_set_error(VMM_ERROR_UNREACHABLE, "libvirt", error);
}

static VmmLibvirtCall *
begin_probe(const VmmDomain *entry, const char *uri)
{
    Probe *probe = g_new0(Probe, 1);

    probe->uri = g_strdup(uri);
    g_strlcpy(probe->uuid, entry->uuid, sizeof probe->uuid);
    return vmm_libvirt_call_begin(ask_for_status, probe, probe_free);
}

static void
probe_some(VmmDomain **entries, guint n, const char *uri)
{
    const gint64 deadline = g_get_monotonic_time() + PROBE_TIMEOUT_US;
    VmmLibvirtCall *calls[PROBED_AT_A_TIME];

    for (guint i = 0; i < n; i++)
        calls[i] = begin_probe(entries[i], uri);
    for (guint i = 0; i < n; i++) {
        Probe *answered = vmm_libvirt_call_end(calls[i], deadline, &entries[i]->problem);

        if (answered != NULL)
            probe_free(answered);
    }
}

void
vmm_domains_probe(GPtrArray *domains, const char *uri)
{
    VmmDomain *some[PROBED_AT_A_TIME];
    guint n = 0;

    for (guint i = 0; i < domains->len; i++) {
        VmmDomain *entry = domains->pdata[i];

        if (entry->id >= 0)
            some[n++] = entry;
        if (n == PROBED_AT_A_TIME || (n > 0 && i + 1 == domains->len)) {
            probe_some(some, n, uri);
            n = 0;
        }
    }
}
