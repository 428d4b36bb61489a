/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/qemu.h"

#include <string.h>

#include "vmm/gdb.h"
#include "vmm/join.h"
#include "vmm/json.h"
#include "vmm/memory.h"
#include "vmm/qemu-channel.h"
#include "vmm/qemu-object.h"
#include "vmm/qemu-text.h"
#include "vmm/stub.h"

/* For how long, and how often, a stub is looked at that somebody else uses. */
#define STUB_PATIENCE_US (3 * G_USEC_PER_SEC)
#define STUB_INTERVAL_US 10000

typedef struct {
    VmmMonitor *monitor;
    VmmGuard *guard;
    VmmHostMemory *memory;
    char *stub_directory;
    char *identity;
    VmmGdbFacts *gdb_facts;
    guint n_vcpus;
    uid_t owner;                    /* the user QEMU runs as */

    VmmStub *stub;                  /* during a pause, or when it was adopted */
    gboolean adopted;

    /* During a pause: */
    VmmGdb *gdb;
    gint64 stood_since;             /* monotonic, us */
    gint64 stood_since_1970;        /* the same moment on the clock that QEMU's events have, us */
} Qemu;

static void
qemu_close(gpointer self)
{
    Qemu *qemu = self;

    vmm_gdb_free(qemu->gdb);
    if (qemu->stub != NULL)
        vmm_stub_leave(qemu->stub);     /* adopted, and the guest is stopped still */
    /* Both hold the monitor's connection; it is free for others when this returns. */
    vmm_guard_free(qemu->guard);
    vmm_monitor_free(qemu->monitor);
    vmm_host_memory_free(qemu->memory);
    vmm_gdb_facts_free(qemu->gdb_facts);
    g_free(qemu->stub_directory);
    g_free(qemu->identity);
    g_free(qemu);
}

static gboolean
qemu_is_running(gpointer self, gboolean *running, char **state, GError **error)
{
    Qemu *qemu = self;

    return vmm_monitor_run_state(qemu->monitor, running, state, error);
}

static gboolean
qemu_claim(gpointer self, GError **error)
{
    Qemu *qemu = self;

    return vmm_monitor_check_idle(qemu->monitor, error) && vmm_host_memory_claim(qemu->memory, error);
}

static gboolean
qemu_read(gpointer self, const VmmExtent *extents, gsize n_extents, GError **error)
{
    Qemu *qemu = self;

    return vmm_host_memory_read(qemu->memory, extents, n_extents, error);
}

static gboolean
qemu_peek_vcpu(gpointer self, guint index, VmmVcpu *vcpu, GError **error)
{
    Qemu *qemu = self;
    g_autofree char *text = vmm_monitor_hmp(qemu->monitor, "info registers", index, error);

    vcpu->index = index;
    return text != NULL && vmm_qemu_parse_registers(text, vcpu, error);
}

/* Words of query-migrate's status that mean that nothing is under way. */
static const char *const idle_migrations[] = { "none", "completed", "failed", "cancelled", NULL };

static gboolean
check_not_migrating(Qemu *qemu, GError **error)
{
    g_autoptr(JsonNode) value = vmm_monitor_execute(qemu->monitor, "query-migrate", NULL, error);
    const char *status = NULL;

    if (value == NULL)
        return FALSE;
    if (JSON_NODE_HOLDS_OBJECT(value))
        status = vmm_json_string(json_node_get_object(value), "status");
    if (status == NULL || g_strv_contains(idle_migrations, status))
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_BUSY, "the guest is being migrated or saved (%s); try again afterwards",
                status);
    return FALSE;
}

static gboolean
check_running(Qemu *qemu, GError **error)
{
    g_autofree char *state = NULL;
    gboolean running;

    if (!vmm_monitor_run_state(qemu->monitor, &running, &state, error))
        return FALSE;
    if (!running)
        g_set_error(error, VMM_ERROR, VMM_ERROR_BUSY,
                    "the guest is not running (state: %s); whoever stopped it has to let it run first", state);
    return running;
}

static gboolean
arm_guard(Qemu *qemu, gboolean may_be_paused, GError **error)
{
    VmmGuardOrder order = { .may_be_paused = may_be_paused, .stub_owner = qemu->owner };

    if (qemu->stub_directory != NULL)
        g_strlcpy(order.stub_directory, qemu->stub_directory, sizeof order.stub_directory);

    g_strlcpy(order.machine, qemu->identity != NULL ? qemu->identity : "", sizeof order.machine);
    vmm_stub_describe(qemu->stub, &order);
    return vmm_guard_arm(qemu->guard, &order, error);
}

static void
abandon_stub(Qemu *qemu)
{
    g_clear_pointer(&qemu->stub, vmm_stub_free);
    vmm_guard_disarm(qemu->guard);
}

/* Everything short of stopping the guest. It is looked at once more at the end: if somebody else has stopped it or begun to
 * migrate it meanwhile, our detaching would resume it. */
static gboolean
open_stub(Qemu *qemu, GError **error)
{
    if (!vmm_stub_check_unused(qemu->monitor, error) || !vmm_host_memory_owner(qemu->memory, &qemu->owner, error))
        return FALSE;
    qemu->stub = vmm_stub_new(qemu->monitor, qemu->stub_directory, qemu->owner, error);
    if (qemu->stub == NULL)
        return FALSE;
    if (arm_guard(qemu, FALSE, error) && vmm_stub_open(qemu->stub, error) && check_running(qemu, error)
        && check_not_migrating(qemu, error) && arm_guard(qemu, TRUE, error) && vmm_stub_announce(qemu->stub, error))
        return TRUE;
    abandon_stub(qemu);
    return FALSE;
}

/* Detaching resumes the guest. If that does not work, the monitor is told to. */
static gboolean
resume_somehow(Qemu *qemu, gboolean detached, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(JsonNode) done = NULL;
    g_autofree char *state = NULL;
    gboolean running = FALSE;

    if (vmm_monitor_run_state(qemu->monitor, &running, &state, &cause) && running)
        return TRUE;
    if (state != NULL && vmm_qemu_tells_moved(state))
        return vmm_qemu_set_moved_error(error);
    done = vmm_monitor_execute(qemu->monitor, "cont", NULL, cause == NULL ? &cause : NULL);
    if (done != NULL && vmm_monitor_run_state(qemu->monitor, &running, NULL, NULL) && running)
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_LOST, "the guest %s (%s); look at it, and let it run "
                "with 'cont' in QEMU's monitor or with virsh resume",
                detached ? "was told to go on, but was not seen to run" : "could not be resumed",
                cause != NULL ? cause->message : state != NULL ? state : "it stays paused");
    return FALSE;
}

/*
 * For how long the guest stood still (us). It stops when QEMU's main loop has come to our connecting, and goes on when it
 * has come to our detaching, which on a busy host is some time before we get to know: an event tells. STOP events do
 * not help at the other end, since they come when all vCPUs have stopped, long after the first.
 */
static gint64
time_stood(Qemu *qemu, gint64 resumed_at)
{
    gint64 at_most = resumed_at - qemu->stood_since, told;

    if (!vmm_monitor_last_resume(qemu->monitor, &told))
        return at_most;
    told -= qemu->stood_since_1970;
    return told > 0 && told < at_most ? told : at_most;
}

static gboolean
qemu_resume(gpointer self, guint64 *stood_ns, GError **error)
{
    Qemu *qemu = self;
    g_autoptr(GError) cause = NULL;
    gboolean detached = qemu->gdb != NULL && vmm_gdb_detach(qemu->gdb, &cause);
    gint64 resumed_at = g_get_monotonic_time();
    gboolean resumed;

    g_clear_pointer(&qemu->gdb, vmm_gdb_free);
    if (!detached)
        vmm_stub_close(qemu->stub);     /* so that no connection still on its way stops the guest after 'cont' */
    resumed = resume_somehow(qemu, detached, error);
    if (!detached)
        resumed_at = g_get_monotonic_time();
    g_clear_pointer(&qemu->stub, vmm_stub_free);
    qemu->adopted = FALSE;
    if (!resumed)
        return FALSE;
    vmm_guard_disarm(qemu->guard);
    if (stood_ns != NULL)
        *stood_ns = time_stood(qemu, resumed_at) * 1000;
    return vmm_monitor_confirm_running(qemu->monitor, error);
}

static gboolean
stop_and_look(Qemu *qemu, GArray *vcpus, GError **error)
{
    int fd;

    qemu->stood_since_1970 = g_get_real_time();
    qemu->stood_since = g_get_monotonic_time();
    fd = vmm_stub_connect(qemu->stub, error);
    if (fd < 0)
        return FALSE;
    qemu->gdb = vmm_gdb_new(fd, qemu->gdb_facts);
    if (qemu->adopted && !vmm_gdb_resync(qemu->gdb, error))
        return FALSE;
    return vmm_gdb_begin(qemu->gdb, vcpus, error);
}

static gboolean
qemu_pause(gpointer self, GArray *vcpus, GError **error)
{
    Qemu *qemu = self;
    g_autoptr(GError) also = NULL;

    if (qemu->adopted ? !arm_guard(qemu, TRUE, error)
                      : !vmm_monitor_check_idle(qemu->monitor, error) || !check_running(qemu, error)
                            || !check_not_migrating(qemu, error) || !open_stub(qemu, error))
        return FALSE;
    if (stop_and_look(qemu, vcpus, error))
        return TRUE;
    if (!qemu_resume(qemu, NULL, &also))
        g_prefix_error(error, "%s; before that: ", also->message);
    return FALSE;
}

/* One that is in use is waited for: a guard may be at work, or QEMU has not noticed yet that its user has gone. */
static gboolean
find_left_stub(Qemu *qemu, VmmStub **left, gboolean *is_announced, GError **error)
{
    const gint64 deadline = g_get_monotonic_time() + STUB_PATIENCE_US;
    gboolean is_connected = FALSE;

    for (;;) {
        g_autoptr(GError) failure = NULL;

        *left = vmm_stub_find(qemu->monitor, is_announced, &is_connected, &failure);
        if (failure != NULL) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        if (*left == NULL || !is_connected)
            return TRUE;
        vmm_stub_leave(g_steal_pointer(left));
        if (g_get_monotonic_time() >= deadline)
            return vmm_stub_check_unused(qemu->monitor, error);
        g_usleep(STUB_INTERVAL_US);
    }
}

/* The stub that stopped the guest is kept, and so is the mark that it did, until the guest runs. */
static gboolean
qemu_adopt(gpointer self, gboolean *stopped, GError **error)
{
    Qemu *qemu = self;
    gboolean is_announced = FALSE, running = TRUE;
    g_autofree char *state = NULL;
    VmmStub *left = NULL;

    if (!find_left_stub(qemu, &left, &is_announced, error))
        return FALSE;
    if (left != NULL && (!vmm_monitor_run_state(qemu->monitor, &running, &state, error)
                         || !vmm_host_memory_owner(qemu->memory, &qemu->owner, error))) {
        vmm_stub_leave(left);
        return FALSE;
    }
    *stopped = left != NULL && is_announced && !running
               && (strcmp(state, "paused") == 0 || strcmp(state, "debug") == 0);
    qemu->adopted = *stopped;
    if (*stopped)
        qemu->stub = left;
    else
        vmm_stub_free(left);
    return TRUE;
}

static gboolean
qemu_write(gpointer self, const VmmChunk *chunks, gsize n_chunks, GError **error)
{
    Qemu *qemu = self;
    g_autoptr(VmmJoined) joined = vmm_join(chunks, n_chunks, vmm_gdb_bytes_at_once(qemu->gdb), qemu_read, self, error);
    gsize n_joined;
    const VmmChunk *all = joined != NULL ? vmm_joined_chunks(joined, &n_joined) : NULL;

    return joined != NULL && vmm_gdb_write(qemu->gdb, all, n_joined, error);
}

/* The monitor is served while the stub holds the guest, and what a stopped vCPU is sent waits for it. */
static gboolean
qemu_inject_nmi(gpointer self, GError **error)
{
    g_autoptr(JsonNode) done = vmm_monitor_execute(((Qemu *)self)->monitor, "inject-nmi", NULL, error);

    return done != NULL;
}

static char *
qemu_find_channel(gpointer self, const char *name, GError **error)
{
    return vmm_qemu_find_channel(((Qemu *)self)->monitor, name, error);
}

static gboolean
qemu_set_will(gpointer self, const VmmChunk *proof, const VmmChunk *chunks, gsize n_chunks, GError **error)
{
    Qemu *qemu = self;
    VmmWill *will = vmm_guard_will(qemu->guard);

    if (n_chunks == 0) {
        vmm_will_clear(will);
        return TRUE;
    }
    return vmm_guard_check(qemu->guard, error) && vmm_will_write(will, proof, chunks, n_chunks, error);
}

/* The guard stays armed. */
static void
qemu_abandon(gpointer self)
{
    Qemu *qemu = self;

    g_clear_pointer(&qemu->gdb, vmm_gdb_free);
    g_clear_pointer(&qemu->stub, vmm_stub_free);
}

static const VmmBackend qemu_backend = {
    .kind = "QEMU",
    .close = qemu_close,
    .is_running = qemu_is_running,
    .read = qemu_read,
    .peek_vcpu = qemu_peek_vcpu,
    .pause = qemu_pause,
    .write = qemu_write,
    .resume = qemu_resume,
    .inject_nmi = qemu_inject_nmi,
    .find_channel = qemu_find_channel,
    .claim = qemu_claim,
    .abandon = qemu_abandon,
    .set_will = qemu_set_will,
    .adopt = qemu_adopt,
};

static gboolean
find_host_address(Qemu *qemu, guint64 pa, guint64 *hva, GError **error)
{
    g_autofree char *line = g_strdup_printf("gpa2hva 0x%" G_GINT64_MODIFIER "x", pa);
    g_autofree char *text = vmm_monitor_hmp(qemu->monitor, line, -1, error);

    return text != NULL && vmm_qemu_parse_gpa2hva(text, hva, error);
}

static gboolean
add_region(Qemu *qemu, const VmmRange *range, GError **error)
{
    VmmHostRegion region = { .range = *range };
    guint64 last_hva;

    if (!find_host_address(qemu, range->start.value, &region.hva, error)
        || !find_host_address(qemu, range->start.value + range->length - 1, &last_hva, error))
        return FALSE;
    if (last_hva - region.hva != range->length - 1) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "QEMU's memory at guest-physical address 0x%"
                    G_GINT64_MODIFIER "x is not in one piece: the guest's memory map changed meanwhile, try again",
                    range->start.value);
        return FALSE;
    }
    return vmm_host_memory_add(qemu->memory, &region, error);
}

static gboolean
find_memory(Qemu *qemu, GError **error)
{
    g_autofree char *text = vmm_monitor_hmp(qemu->monitor, "info mtree -f", -1, error);
    g_autoptr(GArray) ranges = text != NULL ? vmm_qemu_parse_mtree(text, error) : NULL;

    for (guint i = 0; ranges != NULL && i < ranges->len; i++)
        if (!add_region(qemu, &g_array_index(ranges, VmmRange, i), error))
            return FALSE;
    return ranges != NULL;
}

static gboolean
count_vcpus(Qemu *qemu, GError **error)
{
    g_autoptr(JsonNode) value = vmm_monitor_execute(qemu->monitor, "query-cpus-fast", NULL, error);
    g_autoptr(GPtrArray) vcpus = value != NULL ? vmm_json_objects(value) : NULL;

    if (value == NULL)
        return FALSE;
    if (vcpus == NULL || vcpus->len == 0
        || g_strcmp0(vmm_json_string(g_ptr_array_index(vcpus, 0), "target"), "x86_64") != 0) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "this is not an x86-64 machine");
        return FALSE;
    }
    qemu->n_vcpus = vcpus->len;
    return TRUE;
}

gboolean
vmm_qemu_open(const VmmQemuParts *parts, VmmBackendInstance *instance, GError **error)
{
    Qemu *qemu = g_new0(Qemu, 1);

    qemu->monitor = parts->monitor;
    qemu->guard = parts->guard;
    qemu->stub_directory = g_strdup(parts->stub_directory);
    qemu->identity = g_strdup(parts->identity);
    /* The process is held first and asked afterwards: an answer proves that it was still there when it was held. */
    qemu->memory = vmm_host_memory_new(parts->pid, error);
    if (qemu->memory == NULL || !count_vcpus(qemu, error) || !vmm_qemu_check_readable(qemu->monitor, error)
        || !find_memory(qemu, error)) {
        qemu_close(qemu);
        return FALSE;
    }
    qemu->gdb_facts = vmm_gdb_facts_new(qemu->n_vcpus);
    *instance = (VmmBackendInstance) {
        .ops = &qemu_backend,
        .self = qemu,
        .name = g_strdup(parts->name),
        .ranges = vmm_host_memory_ranges(qemu->memory),
        .n_vcpus = qemu->n_vcpus,
    };
    return TRUE;
}
