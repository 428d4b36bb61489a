/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/libvirt-monitor.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>

#include "vmm/json.h"
#include "vmm/machine.h"

#define RUNNING_TIMEOUT_US (5 * G_USEC_PER_SEC)
#define RUNNING_POLL_US 2000

/* One command on its way. libvirt's call has no timeout, so it is made in a thread that is left behind if QEMU never
 * answers; the last one to let go of this frees it. */
typedef struct {
    gatomicrefcount references;
    virDomainPtr domain;
    char *request;
    GMutex lock;
    GCond finished;
    gboolean is_finished;
    char *reply;                /* malloc'd by libvirt; NULL: FAILURE says why */
    GError *failure;
} Call;

static Call *
call_new(virDomainPtr domain, char *request)
{
    Call *call = g_new0(Call, 1);

    g_atomic_ref_count_init(&call->references);
    virDomainRef(domain);
    call->domain = domain;
    call->request = request;
    g_mutex_init(&call->lock);
    g_cond_init(&call->finished);
    return call;
}

static void
call_unref(Call *call)
{
    if (!g_atomic_ref_count_dec(&call->references))
        return;
    virDomainFree(call->domain);
    g_free(call->request);
    g_mutex_clear(&call->lock);
    g_cond_clear(&call->finished);
    free(call->reply);
    g_clear_error(&call->failure);
    g_free(call);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Call, call_unref)

gboolean
vmm_libvirt_set_error(int code, const char *context, GError **error)
{
    const char *message = virGetLastErrorMessage();

    g_set_error(error, VMM_ERROR, code, "%s: %s", context, message != NULL ? message : "no reason given");
    return FALSE;
}

static gpointer
run_call(gpointer data)
{
    g_autoptr(Call) call = data;
    char *reply = NULL;
    g_autoptr(GError) failure = NULL;

    if (virDomainQemuMonitorCommand(call->domain, call->request, &reply, 0) < 0)
        vmm_libvirt_set_error(VMM_ERROR_LOST, "libvirt", &failure);
    g_mutex_lock(&call->lock);
    call->reply = reply;
    call->failure = g_steal_pointer(&failure);
    call->is_finished = TRUE;
    g_cond_signal(&call->finished);
    g_mutex_unlock(&call->lock);
    return NULL;
}

static gboolean
wait_for_call(Call *call, gint64 timeout_us)
{
    gint64 deadline = g_get_monotonic_time() + timeout_us;
    gboolean is_finished;

    g_mutex_lock(&call->lock);
    while (!call->is_finished && g_cond_wait_until(&call->finished, &call->lock, deadline))
        ;
    is_finished = call->is_finished;
    g_mutex_unlock(&call->lock);
    return is_finished;
}

static JsonObject *
libvirt_exchange(gpointer self, JsonObject *request, gint64 timeout_us, GError **error)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    g_autoptr(Call) call = NULL;

    json_node_set_object(root, request);
    call = call_new(self, json_to_string(root, FALSE));
    g_atomic_ref_count_inc(&call->references);
    g_thread_unref(g_thread_new("libvirt call", run_call, call));
    if (!wait_for_call(call, timeout_us)) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNREACHABLE,
                            "no answer through libvirt within the time allowed");
        return NULL;
    }
    if (call->reply == NULL) {
        g_propagate_error(error, g_steal_pointer(&call->failure));
        return NULL;
    }
    return vmm_json_parse(call->reply, error);
}

static gboolean
seen_running(virDomainPtr domain)
{
    int state;

    return virDomainGetState(domain, &state, NULL, 0) == 0
        && (state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED);
}

/* libvirt learns of it by an event from QEMU, a little after the fact. */
static gboolean
libvirt_confirm_running(gpointer self, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + RUNNING_TIMEOUT_US;

    while (!seen_running(self) && g_get_monotonic_time() < deadline)
        g_usleep(RUNNING_POLL_US);
    if (seen_running(self) || (virDomainResume(self) == 0 && seen_running(self)))
        return TRUE;
    return vmm_libvirt_set_error(VMM_ERROR_LOST,
                                 "the guest runs, but libvirt takes it for paused; 'virsh resume' may help", error);
}

static void
libvirt_close(gpointer self)
{
    virDomainFree(self);
}

static const VmmMonitorOps libvirt_ops = {
    .exchange = libvirt_exchange,
    .confirm_running = libvirt_confirm_running,
    .close = libvirt_close,
};

VmmMonitor *
vmm_libvirt_monitor_new(virDomainPtr domain)
{
    return vmm_monitor_new(&libvirt_ops, domain, VMM_MONITOR_TIMEOUT_US);
}
