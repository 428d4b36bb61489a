/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/libvirt-monitor.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "vmm/error.h"
#include "vmm/json.h"
#include "vmm/libvirt-call.h"

#define RUNNING_TIMEOUT_US (5 * G_USEC_PER_SEC)
#define RUNNING_POLL_US 2000
#define CLOSE_TIMEOUT_US (2 * G_USEC_PER_SEC)

/* One question to libvirt. */
typedef struct {
    virDomainPtr domain;
    char *request;              /* or NULL */
    char *reply;                /* malloc'd, or NULL */
} Question;

static void
question_free(gpointer data)
{
    Question *question = data;

    virDomainFree(question->domain);
    g_free(question->request);
    free(question->reply);
    g_free(question);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Question, question_free)

/* Takes over REQUEST. */
static Question *
question_new(virDomainPtr domain, char *request)
{
    Question *question = g_new0(Question, 1);

    virDomainRef(domain);
    question->domain = domain;
    question->request = request;
    return question;
}

static gboolean
ask_qemu(gpointer data, GError **error)
{
    Question *question = data;

    return virDomainQemuMonitorCommand(question->domain, question->request, &question->reply, 0) >= 0
           || vmm_libvirt_set_error(VMM_ERROR_LOST, "libvirt", error);
}

static JsonObject *
libvirt_exchange(gpointer self, JsonObject *request, gint64 timeout_us, GError **error)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    g_autoptr(Question) question = NULL;

    json_node_set_object(root, request);
    question = vmm_libvirt_call(ask_qemu, question_new(self, json_to_string(root, FALSE)), question_free, timeout_us, error);
    return question != NULL ? vmm_json_parse(question->reply != NULL ? question->reply : "", error) : NULL;
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
static gboolean
ask_job(gpointer data, GError **error)
{
    Question *question = data;
    int type = VIR_DOMAIN_JOB_NONE, n = 0, operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
    virTypedParameterPtr parameters = NULL;

    if (virDomainGetJobStats(question->domain, &type, &parameters, &n, 0) != 0)
        return vmm_libvirt_set_error(VMM_ERROR_LOST, "libvirt", error);
    virTypedParamsGetInt(parameters, n, VIR_DOMAIN_JOB_OPERATION, &operation);
    virTypedParamsFree(parameters, n);
    if ((type == VIR_DOMAIN_JOB_BOUNDED || type == VIR_DOMAIN_JOB_UNBOUNDED)
        && operation != VIR_DOMAIN_JOB_OPERATION_BACKUP)
        question->reply = strdup(job_word(operation));
    return TRUE;
}

static gboolean
libvirt_check_idle(gpointer self, gint64 timeout_us, GError **error)
{
    g_autoptr(Question) question = vmm_libvirt_call(ask_job, question_new(self, NULL), question_free, timeout_us, error);

    if (question == NULL)
        return FALSE;
    if (question->reply == NULL)
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_BUSY, "libvirt is %s (see virsh domjobinfo); try again afterwards",
                question->reply);
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
wait_until_running(gpointer data, GError **error)
{
    Question *question = data;
    gint64 deadline = g_get_monotonic_time() + RUNNING_TIMEOUT_US;

    while (!seen_running(question->domain) && g_get_monotonic_time() < deadline)
        g_usleep(RUNNING_POLL_US);
    return seen_running(question->domain) || (virDomainResume(question->domain) == 0 && seen_running(question->domain))
           || vmm_libvirt_set_error(VMM_ERROR_LOST,
                                    "the guest runs, but libvirt takes it for paused; 'virsh resume' may help", error);
}

static gboolean
libvirt_confirm_running(gpointer self, GError **error)
{
    g_autoptr(Question) question = vmm_libvirt_call(wait_until_running, question_new(self, NULL), question_free,
                                                    2 * RUNNING_TIMEOUT_US, error);

    return question != NULL;
}

/* The last one of a connection's domains ends it, and waits for libvirtd to say that it did. */
static gboolean
let_go(gpointer data, GError **error)
{
    virDomainFree(data);
    return TRUE;
}

static void
libvirt_close(gpointer self)
{
    vmm_libvirt_call(let_go, self, NULL, CLOSE_TIMEOUT_US, NULL);
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
