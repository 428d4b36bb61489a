/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/libvirt-monitor.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "vmm/json.h"
#include "vmm/machine.h"

#define RUNNING_TIMEOUT_US (5 * G_USEC_PER_SEC)
#define RUNNING_POLL_US 2000

/* One question on its way. libvirt's calls have no timeout, so it is asked in a thread that is left behind if there never
 * is an answer; the last one to let go of this frees it. */
typedef struct {
    gatomicrefcount references;
    int (*ask)(virDomainPtr domain, const char *request, char **reply);     /* as libvirt's calls return */
    virDomainPtr domain;
    char *request;
    GMutex lock;
    GCond finished;
    gboolean is_finished;
    char *reply;                /* malloc'd, or NULL */
    GError *failure;
} Call;

static Call *
call_new(int (*ask)(virDomainPtr, const char *, char **), virDomainPtr domain, char *request)
{
    Call *call = g_new0(Call, 1);

    g_atomic_ref_count_init(&call->references);
    call->ask = ask;
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

    if (call->ask(call->domain, call->request, &reply) < 0)
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

/* Takes the caller's CALL through a thread. One that has finished is waited for: it holds the domain, and so libvirt's
 * connection, until its end. */
static gboolean
make_call(Call *call, gint64 timeout_us, GError **error)
{
    GThread *thread;

    g_atomic_ref_count_inc(&call->references);
    thread = g_thread_new("libvirt call", run_call, call);
    if (!wait_for_call(call, timeout_us)) {
        g_thread_unref(thread);
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNREACHABLE,
                            "no answer through libvirt within the time allowed");
        return FALSE;
    }
    g_thread_join(thread);
    if (call->failure == NULL)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&call->failure));
    return FALSE;
}

static int
ask_qemu(virDomainPtr domain, const char *request, char **reply)
{
    return virDomainQemuMonitorCommand(domain, request, reply, 0);
}

static JsonObject *
libvirt_exchange(gpointer self, JsonObject *request, gint64 timeout_us, GError **error)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    g_autoptr(Call) call = NULL;

    json_node_set_object(root, request);
    call = call_new(ask_qemu, self, json_to_string(root, FALSE));
    return make_call(call, timeout_us, error) ? vmm_json_parse(call->reply != NULL ? call->reply : "", error) : NULL;
}

static const char *
job_word(int operation)
{
    static const char *const words[] = {
        [VIR_DOMAIN_JOB_OPERATION_START] = "starting it", [VIR_DOMAIN_JOB_OPERATION_SAVE] = "saving it",
        [VIR_DOMAIN_JOB_OPERATION_RESTORE] = "restoring it", [VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN] = "migrating it here",
        [VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT] = "migrating it away",
        [VIR_DOMAIN_JOB_OPERATION_SNAPSHOT] = "taking a snapshot of it",
        [VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_REVERT] = "reverting it to a snapshot",
        [VIR_DOMAIN_JOB_OPERATION_DUMP] = "dumping it",
    };
    const char *word = operation >= 0 && operation < (int)G_N_ELEMENTS(words) ? words[operation] : NULL;

    return word != NULL ? word : "at work on it";
}

/* The job that libvirt does on the domain, in words; no reply if there is none. A backup of its disks goes on while the
 * guest runs, is suspended and resumed, and so while it is changed. */
static int
ask_job(virDomainPtr domain, const char *request, char **reply)
{
    int type = VIR_DOMAIN_JOB_NONE, n = 0, operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
    virTypedParameterPtr parameters = NULL;

    if (virDomainGetJobStats(domain, &type, &parameters, &n, 0) != 0)
        return -1;
    virTypedParamsGetInt(parameters, n, VIR_DOMAIN_JOB_OPERATION, &operation);
    virTypedParamsFree(parameters, n);
    if ((type == VIR_DOMAIN_JOB_BOUNDED || type == VIR_DOMAIN_JOB_UNBOUNDED)
        && operation != VIR_DOMAIN_JOB_OPERATION_BACKUP)
        *reply = strdup(job_word(operation));
    return 0;
}

static gboolean
libvirt_check_idle(gpointer self, gint64 timeout_us, GError **error)
{
    g_autoptr(Call) call = call_new(ask_job, self, NULL);

    if (!make_call(call, timeout_us, error))
        return FALSE;
    if (call->reply == NULL)
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_BUSY, "libvirt is %s (see virsh domjobinfo); try again afterwards",
                call->reply);
    return FALSE;
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
    .check_idle = libvirt_check_idle,
    .confirm_running = libvirt_confirm_running,
    .close = libvirt_close,
};

VmmMonitor *
vmm_libvirt_monitor_new(virDomainPtr domain)
{
    return vmm_monitor_new(&libvirt_ops, domain, VMM_MONITOR_TIMEOUT_US);
}
