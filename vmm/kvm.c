/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory is read where it lies, through the descriptor that the machine hands out or in its process; all else is asked
 * for.
 */
#include "vmm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/helper.h"
#include "vmm/kvm-link.h"
#include "vmm/kvm-registers.h"
#include "vmm/socket.h"

typedef struct {
    VmmKvmLink link;
    VmmKvmPeer peer;
    const guint8 *memory;       /* NULL if it is the peer's */
    gsize memory_bytes;
    GArray *regions;            /* of VmmKvmRegion */
    guint n_vcpus;
} Kvm;

static void
kvm_close(gpointer self)
{
    Kvm *kvm = self;

    if (kvm->memory != NULL)
        munmap((void *)kvm->memory, kvm->memory_bytes);
    vmm_kvm_link_clear(&kvm->link);
    if (kvm->peer.server > 0 && !vmm_helper_wait(kvm->peer.server))
        g_warning("the machine does not let go; process %d stays behind, and puts the guest right as soon as it does",
                  (int)kvm->peer.server);
    vmm_host_memory_free(kvm->peer.memory);
    g_array_unref(kvm->regions);
    g_free(kvm);
}

static gboolean
kvm_is_running(gpointer self, gboolean *running, char **state, GError **error)
{
    Kvm *kvm = self;
    guint64 value = 0;

    if (!vmm_kvm_exchange(&kvm->link, VMM_KVM_STATE, &value, NULL, 0, NULL, error))
        return FALSE;
    *running = value != 0;
    if (state != NULL)
        *state = g_strdup(*running ? "running" : "paused");
    return TRUE;
}

static const guint8 *
find_bytes(const Kvm *kvm, guint64 pa, gsize *length)
{
    for (guint i = 0; i < kvm->regions->len; i++) {
        const VmmKvmRegion *region = &g_array_index(kvm->regions, VmmKvmRegion, i);

        if (pa < region->pa || pa - region->pa >= region->length)
            continue;
        *length = MIN(*length, region->length - (pa - region->pa));
        return kvm->memory + region->offset + (pa - region->pa);
    }
    return NULL;
}

static gboolean
kvm_read(gpointer self, const VmmExtent *extents, gsize n_extents, GError **error)
{
    Kvm *kvm = self;

    if (kvm->peer.memory != NULL)
        return vmm_host_memory_read(kvm->peer.memory, extents, n_extents, error);
    for (gsize i = 0; i < n_extents; i++)
        for (gsize done = 0, length; done < extents[i].length; done += length) {
            length = extents[i].length - done;
            memcpy((guint8 *)extents[i].buffer + done, find_bytes(kvm, extents[i].pa.value + done, &length), length);
        }
    return vmm_kvm_link_check(&kvm->link, error);
}

static gboolean
kvm_peek_vcpu(gpointer self, guint index, VmmVcpu *vcpu, GError **error)
{
    Kvm *kvm = self;
    guint64 value = index;
    VmmKvmRegisters registers;

    if (!vmm_kvm_exchange(&kvm->link, VMM_KVM_PEEK, &value, NULL, 0, NULL, error))
        return FALSE;
    if (kvm->link.answer_bytes != sizeof registers)
        return vmm_kvm_link_refuse_answer(&kvm->link, error);
    memcpy(&registers, kvm->link.answer, sizeof registers);
    *vcpu = vmm_kvm_registers_vcpu(&registers, index);
    return TRUE;
}

static gboolean
kvm_pause(gpointer self, GArray *vcpus, GError **error)
{
    Kvm *kvm = self;

    if (!vmm_kvm_exchange(&kvm->link, VMM_KVM_PAUSE, NULL, NULL, 0, NULL, error))
        return FALSE;
    if (kvm->link.answer_bytes != kvm->n_vcpus * sizeof(VmmKvmRegisters))
        return vmm_kvm_link_refuse_answer(&kvm->link, error);
    g_array_set_size(vcpus, kvm->n_vcpus);
    for (guint i = 0; i < kvm->n_vcpus; i++) {
        VmmKvmRegisters registers;

        memcpy(&registers, kvm->link.answer + i * sizeof registers, sizeof registers);
        g_array_index(vcpus, VmmVcpu, i) = vmm_kvm_registers_vcpu(&registers, i);
    }
    return TRUE;
}

static gboolean
kvm_write(gpointer self, const VmmChunk *chunks, gsize n_chunks, GError **error)
{
    Kvm *kvm = self;

    return vmm_kvm_send_chunks(&kvm->link, VMM_KVM_WRITE, chunks, n_chunks, error);
}

/* The proof has to be one piece, so it goes in a packet of its own. */
static gboolean
kvm_set_will(gpointer self, const VmmChunk *proof, const VmmChunk *chunks, gsize n_chunks, GError **error)
{
    Kvm *kvm = self;

    if (n_chunks > 0 && (!vmm_kvm_send_chunks(&kvm->link, VMM_KVM_WILL_ADD, proof, 1, error)
                         || !vmm_kvm_send_chunks(&kvm->link, VMM_KVM_WILL_ADD, chunks, n_chunks, error)))
        return FALSE;
    return vmm_kvm_exchange(&kvm->link, VMM_KVM_WILL_SET, NULL, NULL, 0, NULL, error);
}

static gboolean
kvm_claim(gpointer self, GError **error)
{
    Kvm *kvm = self;

    /* A server of our own has no other clients to ask. */
    if (kvm->peer.memory != NULL)
        return vmm_host_memory_claim(kvm->peer.memory, error);
    return vmm_kvm_exchange(&kvm->link, VMM_KVM_CLAIM, NULL, NULL, 0, NULL, error);
}

/* The machine executes the will of a client that hangs up. */
static void
kvm_abandon(gpointer self)
{
    Kvm *kvm = self;

    vmm_kvm_link_hang_up(&kvm->link);
}

static gboolean
kvm_resume(gpointer self, guint64 *stood_ns, GError **error)
{
    Kvm *kvm = self;
    guint64 value = 0;
    gboolean resumed = vmm_kvm_exchange(&kvm->link, VMM_KVM_RESUME, &value, NULL, 0, NULL, error);

    if (stood_ns != NULL)
        *stood_ns = value;
    return resumed;
}

static gboolean
kvm_inject_nmi(gpointer self, GError **error)
{
    Kvm *kvm = self;

    return vmm_kvm_exchange(&kvm->link, VMM_KVM_INJECT_NMI, NULL, NULL, 0, NULL, error);
}

static const VmmBackend kvm_backend = {
    .kind = "KVM",
    .close = kvm_close,
    .is_running = kvm_is_running,
    .read = kvm_read,
    .peek_vcpu = kvm_peek_vcpu,
    .pause = kvm_pause,
    .write = kvm_write,
    .resume = kvm_resume,
    .inject_nmi = kvm_inject_nmi,
    .claim = kvm_claim,
    .abandon = kvm_abandon,
    .set_will = kvm_set_will,
};

/* Memory that could shrink would end us by a signal. */
static gboolean
map_memory(Kvm *kvm, int fd, GError **error)
{
    struct stat facts;
    void *memory;

    if (fstat(fd, &facts) != 0 || facts.st_size == 0 || (fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK) == 0) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_PROTOCOL,
                            "the machine's memory is no file that is sealed against shrinking");
        return FALSE;
    }
    memory = mmap(NULL, facts.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "cannot map the guest's memory: %s", g_strerror(errno));
        return FALSE;
    }
    kvm->memory = memory;
    kvm->memory_bytes = facts.st_size;
    return TRUE;
}

static gboolean
is_sound(const Kvm *kvm)
{
    guint64 end = 0;

    for (guint i = 0; i < kvm->regions->len; i++) {
        const VmmKvmRegion *region = &g_array_index(kvm->regions, VmmKvmRegion, i);

        if (region->length == 0 || region->pa < end || region->pa > G_MAXUINT64 - region->length
            || region->offset > kvm->memory_bytes || region->length > kvm->memory_bytes - region->offset)
            return FALSE;
        end = region->pa + region->length;
    }
    return TRUE;
}

static gboolean
add_memory(Kvm *kvm, GError **error)
{
    for (guint i = 0; i < kvm->regions->len; i++) {
        const VmmKvmRegion *region = &g_array_index(kvm->regions, VmmKvmRegion, i);
        const VmmHostRegion in_process = { { guest_pa(region->pa), region->length }, region->offset };

        if (!vmm_host_memory_add(kvm->peer.memory, &in_process, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
take_memory(Kvm *kvm, int fd, GError **error)
{
    if (kvm->peer.memory != NULL)
        return add_memory(kvm, error);
    return map_memory(kvm, fd, error) && (is_sound(kvm) || vmm_kvm_link_refuse_answer(&kvm->link, error));
}

static gboolean
greet(Kvm *kvm, GError **error)
{
    VMM_AUTO_FD int memory_fd = -1;
    guint64 version = VMM_KVM_VERSION;
    VmmKvmHello hello;

    if (!vmm_kvm_exchange(&kvm->link, VMM_KVM_HELLO, &version, NULL, 0, &memory_fd, error))
        return FALSE;
    if (kvm->link.answer_bytes < sizeof hello)
        return vmm_kvm_link_refuse_answer(&kvm->link, error);
    memcpy(&hello, kvm->link.answer, sizeof hello);
    if (hello.n_vcpus == 0 || hello.n_vcpus > VMM_KVM_MAX_VCPUS || hello.n_regions == 0
        || hello.n_regions > VMM_KVM_MAX_REGIONS
        || kvm->link.answer_bytes != sizeof hello + hello.n_regions * sizeof(VmmKvmRegion)
        || (memory_fd < 0) != (kvm->peer.memory != NULL))
        return vmm_kvm_link_refuse_answer(&kvm->link, error);
    kvm->n_vcpus = hello.n_vcpus;
    g_array_append_vals(kvm->regions, kvm->link.answer + sizeof hello, hello.n_regions);
    return take_memory(kvm, memory_fd, error);
}

static GArray *
list_ranges(const Kvm *kvm)
{
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(VmmRange));

    for (guint i = 0; i < kvm->regions->len; i++) {
        const VmmKvmRegion *region = &g_array_index(kvm->regions, VmmKvmRegion, i);
        VmmRange range = { guest_pa(region->pa), region->length };

        g_array_append_val(ranges, range);
    }
    return ranges;
}

gboolean
vmm_kvm_adopt(int fd, const VmmKvmPeer *peer, VmmBackendInstance *instance, GError **error)
{
    Kvm *kvm = g_new0(Kvm, 1);

    kvm->peer = *peer;
    vmm_kvm_link_init(&kvm->link, fd, &kvm->peer);
    kvm->regions = g_array_new(FALSE, FALSE, sizeof(VmmKvmRegion));
    if (!greet(kvm, error)) {
        kvm_close(kvm);
        return FALSE;
    }
    *instance = (VmmBackendInstance) {
        .ops = &kvm_backend,
        .self = kvm,
        .name = g_strdup(peer->name),
        .ranges = list_ranges(kvm),
        .n_vcpus = kvm->n_vcpus,
    };
    kvm->peer.name = NULL;
    return TRUE;
}

gboolean
vmm_kvm_open(const char *socket_path, const char *uri, VmmBackendInstance *instance, GError **error)
{
    const VmmKvmPeer peer = { .name = socket_path };
    int fd = vmm_socket_connect_packets(socket_path, error);

    if (fd < 0)
        return FALSE;
    if (vmm_kvm_adopt(fd, &peer, instance, error))
        return TRUE;
    g_prefix_error(error, "%s: ", socket_path);
    return FALSE;
}
