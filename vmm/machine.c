/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/machine.h"

#include <signal.h>
#include <string.h>

#include "vmm/backend.h"

struct VmmReader {
    VmmBackendInstance *instance;   /* of the machine */
};

struct VmmMachine {
    VmmBackendInstance instance;
    VmmReader reader;
    VmmPause *pause;                /* the one there is, or NULL */
};

struct VmmPause {
    VmmMachine *machine;
    GArray *vcpus;                  /* of VmmVcpu */
    sigset_t signals_before;
};

static const struct {
    const char *prefix;
    gboolean (*open)(const char *rest, const char *uri, VmmBackendInstance *instance, GError **error);
} kinds[] = {
    { "core:", vmm_core_open },
    { "kvm:", vmm_kvm_open },
    { "pid:", vmm_pid_open },
    { "qmp:", vmm_qmp_open },
    { "saved:", vmm_saved_open },
};

static gboolean
open_instance(const char *guest, const char *uri, VmmBackendInstance *instance, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (g_str_has_prefix(guest, kinds[i].prefix))
            return kinds[i].open(guest + strlen(kinds[i].prefix), uri, instance, error);
    return vmm_libvirt_open(guest, uri, instance, error);
}

VmmMachine *
vmm_machine_new(const VmmBackendInstance *instance)
{
    VmmMachine *machine = g_new0(VmmMachine, 1);

    machine->instance = *instance;
    machine->reader.instance = &machine->instance;
    return machine;
}

VmmMachine *
vmm_machine_open_confined(const char *guest, const char *uri, VmmSandbox sandbox, GError **error)
{
    VmmBackendInstance instance = { .sandbox = sandbox };

    if (*guest == '\0') {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_USAGE, "the guest's name is empty");
        return NULL;
    }
    return open_instance(guest, uri, &instance, error) ? vmm_machine_new(&instance) : NULL;
}

VmmMachine *
vmm_machine_open(const char *guest, const char *uri, GError **error)
{
    return vmm_machine_open_confined(guest, uri, VMM_SANDBOX_NONE, error);
}

void
vmm_machine_free(VmmMachine *machine)
{
    if (machine == NULL)
        return;
    vmm_pause_free(machine->pause);
    machine->instance.ops->close(machine->instance.self);
    g_array_unref(machine->instance.ranges);
    g_free(machine->instance.name);
    g_free(machine);
}

const char *
vmm_machine_name(const VmmMachine *machine)
{
    return machine->instance.name;
}

gboolean
vmm_machine_is_running(VmmMachine *machine, gboolean *running, char **state, GError **error)
{
    return machine->instance.ops->is_running(machine->instance.self, running, state, error);
}

gboolean
vmm_machine_claim(VmmMachine *machine, GError **error)
{
    return machine->instance.ops->claim == NULL || machine->instance.ops->claim(machine->instance.self, error);
}

gboolean
vmm_machine_adopt(VmmMachine *machine, gboolean *stopped, GError **error)
{
    *stopped = FALSE;
    return machine->instance.ops->adopt == NULL
        || machine->instance.ops->adopt(machine->instance.self, stopped, error);
}

gboolean
vmm_machine_is_image(const VmmMachine *machine)
{
    return machine->instance.ops->pause == NULL;
}

gboolean
vmm_machine_is_saved(const VmmMachine *machine)
{
    return machine->instance.ops->is_saved;
}

const VmmReader *
vmm_machine_reader(const VmmMachine *machine)
{
    return &machine->reader;
}

const VmmRange *
vmm_reader_ranges(const VmmReader *reader, guint *n_ranges)
{
    *n_ranges = reader->instance->ranges->len;
    return (const VmmRange *)(gpointer)reader->instance->ranges->data;
}

/* How many bytes there are from PA on without a gap, up to LENGTH. */
static gsize
contiguous_length(const GArray *ranges, GuestPa pa, gsize length)
{
    gsize found = 0;

    for (guint i = 0; i < ranges->len && found < length; i++) {
        const VmmRange *range = &g_array_index(ranges, VmmRange, i);
        guint64 at = pa.value + found;

        if (at < pa.value || at < range->start.value)
            break;
        if (at - range->start.value < range->length)
            found += MIN(length - found, range->length - (at - range->start.value));
    }
    return found;
}

static gboolean
check_address(const VmmBackendInstance *instance, GuestPa pa, gsize length, GError **error)
{
    gsize found = contiguous_length(instance->ranges, pa, length);

    if (found >= length)
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_BAD_ADDRESS,
                "no guest memory at guest-physical address 0x%" G_GINT64_MODIFIER "x (of %" G_GSIZE_FORMAT
                " bytes from 0x%" G_GINT64_MODIFIER "x)", pa.value + found, length, pa.value);
    return FALSE;
}

gboolean
vmm_read_extents(const VmmReader *reader, const VmmExtent *extents, gsize n_extents, GError **error)
{
    for (gsize i = 0; i < n_extents; i++)
        if (!check_address(reader->instance, extents[i].pa, extents[i].length, error))
            return FALSE;
    return reader->instance->ops->read(reader->instance->self, extents, n_extents, error);
}

gboolean
vmm_read(const VmmReader *reader, GuestPa pa, void *buffer, gsize length, GError **error)
{
    VmmExtent extent = { .pa = pa, .buffer = buffer, .length = length };

    return vmm_read_extents(reader, &extent, 1, error);
}

guint
vmm_reader_n_vcpus(const VmmReader *reader)
{
    return reader->instance->n_vcpus;
}

static gboolean
set_unsupported(const VmmBackendInstance *instance, const char *what, GError **error)
{
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "a machine of kind %s cannot %s", instance->ops->kind, what);
    return FALSE;
}

char *
vmm_machine_find_channel(VmmMachine *machine, const char *name, GError **error)
{
    if (machine->instance.ops->find_channel != NULL)
        return machine->instance.ops->find_channel(machine->instance.self, name, error);
    set_unsupported(&machine->instance, "have channels", error);
    return NULL;
}

gboolean
vmm_reader_peek_vcpu(const VmmReader *reader, guint index, VmmVcpu *vcpu, GError **error)
{
    const VmmBackendInstance *instance = reader->instance;

    if (instance->ops->peek_vcpu == NULL)
        return set_unsupported(instance, "show its registers", error);
    if (index >= instance->n_vcpus) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_USAGE, "there is no vCPU %u among %u", index, instance->n_vcpus);
        return FALSE;
    }
    return instance->ops->peek_vcpu(instance->self, index, vcpu, error);
}

/* Signals that people and their tools send: one that ends or stops us must wait until the guest runs again. Those that
 * tell of a fault of our own are not among them. */
static void
hold_signals(sigset_t *before)
{
    static const int held[] = {
        SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU, SIGVTALRM,
        SIGPROF, SIGIO, SIGPWR, SIGXCPU,
    };
    sigset_t set;

    sigemptyset(&set);
    for (gsize i = 0; i < G_N_ELEMENTS(held); i++)
        sigaddset(&set, held[i]);
    pthread_sigmask(SIG_BLOCK, &set, before);
}

static void
release_pause(VmmPause *pause)
{
    sigset_t before = pause->signals_before;

    pause->machine->pause = NULL;
    g_array_unref(pause->vcpus);
    g_free(pause);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

VmmPause *
vmm_pause_begin(VmmMachine *machine, GError **error)
{
    const VmmBackendInstance *instance = &machine->instance;
    VmmPause *pause = NULL;

    if (instance->ops->pause == NULL) {
        set_unsupported(instance, "be paused", error);
        return NULL;
    }
    if (machine->pause != NULL) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_BUSY, "the guest is paused already, by ourselves");
        return NULL;
    }
    pause = g_new0(VmmPause, 1);
    pause->machine = machine;
    pause->vcpus = g_array_new(FALSE, FALSE, sizeof(VmmVcpu));
    hold_signals(&pause->signals_before);
    machine->pause = pause;
    if (!instance->ops->pause(instance->self, pause->vcpus, error)) {
        release_pause(pause);
        return NULL;
    }
    return pause;
}

const VmmVcpu *
vmm_pause_vcpus(const VmmPause *pause, guint *n_vcpus)
{
    *n_vcpus = pause->vcpus->len;
    return (const VmmVcpu *)(gpointer)pause->vcpus->data;
}

gboolean
vmm_pause_write(VmmPause *pause, const VmmChunk *chunks, gsize n_chunks, GError **error)
{
    const VmmBackendInstance *instance = &pause->machine->instance;

    if (instance->ops->write == NULL)
        return set_unsupported(instance, "be written to", error);
    for (gsize i = 0; i < n_chunks; i++)
        if (!check_address(instance, chunks[i].pa, chunks[i].length, error))
            return FALSE;
    return instance->ops->write(instance->self, chunks, n_chunks, error);
}

gboolean
vmm_pause_inject_nmi(VmmPause *pause, GError **error)
{
    const VmmBackendInstance *instance = &pause->machine->instance;

    return instance->ops->inject_nmi != NULL ? instance->ops->inject_nmi(instance->self, error)
                                             : set_unsupported(instance, "be sent an NMI", error);
}

gboolean
vmm_machine_set_will(VmmMachine *machine, const VmmChunk *proof, const VmmChunk *chunks, gsize n_chunks, GError **error)
{
    const VmmBackendInstance *instance = &machine->instance;

    for (gsize i = 0; i < n_chunks; i++)
        if (!check_address(instance, chunks[i].pa, chunks[i].length, error))
            return FALSE;
    return instance->ops->set_will == NULL
        || instance->ops->set_will(instance->self, proof, chunks, n_chunks, error);
}

gboolean
vmm_pause_end(VmmPause *pause, guint64 *stood_ns, GError **error)
{
    const VmmBackendInstance *instance = &pause->machine->instance;
    gboolean resumed = instance->ops->resume(instance->self, stood_ns, error);

    release_pause(pause);
    return resumed;
}

void
vmm_pause_abandon(VmmPause *pause)
{
    const VmmBackendInstance *instance = &pause->machine->instance;

    if (instance->ops->abandon == NULL) {
        vmm_pause_free(pause);
        return;
    }
    instance->ops->abandon(instance->self);
    release_pause(pause);
}

void
vmm_pause_free(VmmPause *pause)
{
    g_autoptr(GError) error = NULL;

    if (pause != NULL && !vmm_pause_end(pause, NULL, &error))
        g_warning("%s", error->message);
}
