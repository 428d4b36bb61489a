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
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/helper.h"
#include "vmm/kvm-protocol.h"
#include "vmm/kvm-registers.h"
#include "vmm/socket.h"

#define ANSWER_TIMEOUT_S 8      /* the machine gives its vCPUs 5 s to stop */

typedef struct {
    int fd;
    VmmKvmPeer peer;
    const guint8 *memory;       /* NULL if it is the peer's */
    gsize memory_bytes;
    GArray *regions;            /* of VmmKvmRegion */
    guint n_vcpus;
    gboolean is_broken;         /* an answer is missing, and what comes next would be taken for it */
    guint8 answer[VMM_KVM_MAX_PACKET];
    gsize answer_bytes;         /* without the header */
} Kvm;

static void
kvm_close(gpointer self)
{
    Kvm *kvm = self;

    if (kvm->memory != NULL)
        munmap((void *)kvm->memory, kvm->memory_bytes);
    vmm_fd_clear(&kvm->fd);
    if (kvm->peer.server > 0 && !vmm_helper_wait(kvm->peer.server))
        g_warning("the machine does not let go; process %d stays behind, and puts the guest right as soon as it does",
                  (int)kvm->peer.server);
    vmm_host_memory_free(kvm->peer.memory);
    g_array_unref(kvm->regions);
    g_free(kvm);
}

static gboolean
is_server_alone_lost(const Kvm *kvm)
{
    return kvm->peer.memory != NULL && vmm_host_memory_is_there(kvm->peer.memory, NULL);
}

static gboolean
set_lost(Kvm *kvm, GError **error)
{
    int code = errno;

    /* The machine sees this, and does what it does for a client that has died. */
    kvm->is_broken = TRUE;
    shutdown(kvm->fd, SHUT_RDWR);
    if (code == EAGAIN)
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "the machine does not answer");
    else
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_LOST, is_server_alone_lost(kvm)
                            ? "the process that holds the machine has been killed; run this again"
                            : "the machine has ended");
    return FALSE;
}

static int
error_code(guint32 status)
{
    switch (status) {
    case VMM_KVM_BUSY:
        return VMM_ERROR_BUSY;
    case VMM_KVM_BAD_ADDRESS:
        return VMM_ERROR_BAD_ADDRESS;
    case VMM_KVM_FAILED:
        return VMM_ERROR_UNREACHABLE;
    case VMM_KVM_ENDED:
        return VMM_ERROR_LOST;
    default:
        return VMM_ERROR_PROTOCOL;
    }
}

static gboolean
receive_answer(Kvm *kvm, guint32 request, guint64 *value, int *passed_fd, GError **error)
{
    VmmKvmHeader header;
    char space[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec parts[] = { { &header, sizeof header }, { kvm->answer, sizeof kvm->answer } };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
    const struct cmsghdr *rights;
    ssize_t n;

    if (passed_fd != NULL) {
        message.msg_control = space;
        message.msg_controllen = sizeof space;
    }
    while ((n = recvmsg(kvm->fd, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        ;
    if (n <= 0) {
        errno = n < 0 ? errno : 0;
        return set_lost(kvm, error);
    }
    rights = passed_fd != NULL ? CMSG_FIRSTHDR(&message) : NULL;
    if (rights != NULL && rights->cmsg_type == SCM_RIGHTS && rights->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(passed_fd, CMSG_DATA(rights), sizeof(int));
    if (n < (ssize_t)sizeof header || header.request != request || (message.msg_flags & MSG_TRUNC) != 0) {
        set_lost(kvm, NULL);
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "this is no machine's control socket");
        return FALSE;
    }
    kvm->answer_bytes = n - sizeof header;
    if (value != NULL)
        *value = header.value;
    if (header.status != VMM_KVM_OK)
        g_set_error(error, VMM_ERROR, error_code(header.status), "%s%.*s",
                    kvm->peer.server > 0 ? "" : "the machine refuses: ", (int)MIN(kvm->answer_bytes, 200),
                    (const char *)kvm->answer);
    return header.status == VMM_KVM_OK;
}

/* Sends a request with PAYLOAD and waits for its answer, which is in kvm->answer then. VALUE (may be NULL) goes and
 * comes; PASSED_FD (may be NULL) is what came with it. */
static gboolean
exchange(Kvm *kvm, guint32 request, guint64 *value, const void *payload, gsize length, int *passed_fd, GError **error)
{
    VmmKvmHeader header = { request, 0, value != NULL ? *value : 0 };
    struct iovec parts[] = { { &header, sizeof header }, { (void *)payload, length } };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
    ssize_t n;

    if (kvm->is_broken) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_LOST, "the connection to the machine is lost");
        return FALSE;
    }
    while ((n = sendmsg(kvm->fd, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    return n >= 0 ? receive_answer(kvm, request, value, passed_fd, error) : set_lost(kvm, error);
}

static gboolean
kvm_is_running(gpointer self, gboolean *running, char **state, GError **error)
{
    guint64 value = 0;

    if (!exchange(self, VMM_KVM_STATE, &value, NULL, 0, NULL, error))
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

/* The memory of a machine that has ended is still there, but nobody's any more. */
static gboolean
check_connected(Kvm *kvm, GError **error)
{
    char byte;

    if (!kvm->is_broken && recv(kvm->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN)
        return TRUE;
    errno = 0;
    return set_lost(kvm, error);
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
    return check_connected(kvm, error);
}

static gboolean
set_bad_answer(Kvm *kvm, GError **error)
{
    set_lost(kvm, NULL);
    g_set_error_literal(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "the machine's answer is not what the protocol says");
    return FALSE;
}

static gboolean
kvm_peek_vcpu(gpointer self, guint index, VmmVcpu *vcpu, GError **error)
{
    Kvm *kvm = self;
    guint64 value = index;
    VmmKvmRegisters registers;

    if (!exchange(kvm, VMM_KVM_PEEK, &value, NULL, 0, NULL, error))
        return FALSE;
    if (kvm->answer_bytes != sizeof registers)
        return set_bad_answer(kvm, error);
    memcpy(&registers, kvm->answer, sizeof registers);
    *vcpu = vmm_kvm_registers_vcpu(&registers, index);
    return TRUE;
}

static gboolean
kvm_pause(gpointer self, GArray *vcpus, GError **error)
{
    Kvm *kvm = self;

    if (!exchange(kvm, VMM_KVM_PAUSE, NULL, NULL, 0, NULL, error))
        return FALSE;
    if (kvm->answer_bytes != kvm->n_vcpus * sizeof(VmmKvmRegisters))
        return set_bad_answer(kvm, error);
    g_array_set_size(vcpus, kvm->n_vcpus);
    for (guint i = 0; i < kvm->n_vcpus; i++) {
        VmmKvmRegisters registers;

        memcpy(&registers, kvm->answer + i * sizeof registers, sizeof registers);
        g_array_index(vcpus, VmmVcpu, i) = vmm_kvm_registers_vcpu(&registers, i);
    }
    return TRUE;
}

/* Adds to PACKET as much of CHUNK, from *DONE on, as it has room for. */
static void
add_piece(GByteArray *packet, const VmmChunk *chunk, gsize *done)
{
    gsize room = VMM_KVM_MAX_PACKET - sizeof(VmmKvmHeader) - packet->len;
    VmmKvmPiece piece = { chunk->pa.value + *done, MIN(chunk->length - *done, room - sizeof piece) };

    g_byte_array_append(packet, (const guint8 *)&piece, sizeof piece);
    g_byte_array_append(packet, (const guint8 *)chunk->data + *done, piece.length);
    *done += piece.length;
}

static gboolean
is_full(const GByteArray *packet)
{
    return packet->len + 2 * sizeof(VmmKvmPiece) + sizeof(VmmKvmHeader) > VMM_KVM_MAX_PACKET;
}

/* Sends CHUNKS in as few packets of REQUEST as there can be. */
static gboolean
send_chunks(Kvm *kvm, guint32 request, const VmmChunk *chunks, gsize n_chunks, GError **error)
{
    g_autoptr(GByteArray) packet = g_byte_array_new();

    for (gsize i = 0; i < n_chunks; i++)
        for (gsize done = 0; done < chunks[i].length;) {
            add_piece(packet, &chunks[i], &done);
            if (!is_full(packet))
                continue;
            if (!exchange(kvm, request, NULL, packet->data, packet->len, NULL, error))
                return FALSE;
            g_byte_array_set_size(packet, 0);
        }
    return packet->len == 0 || exchange(kvm, request, NULL, packet->data, packet->len, NULL, error);
}

static gboolean
kvm_write(gpointer self, const VmmChunk *chunks, gsize n_chunks, GError **error)
{
    return send_chunks(self, VMM_KVM_WRITE, chunks, n_chunks, error);
}

/* The proof has to be one piece, so it goes in a packet of its own. */
static gboolean
kvm_set_will(gpointer self, const VmmChunk *proof, const VmmChunk *chunks, gsize n_chunks, GError **error)
{
    if (n_chunks > 0 && (!send_chunks(self, VMM_KVM_WILL_ADD, proof, 1, error)
                         || !send_chunks(self, VMM_KVM_WILL_ADD, chunks, n_chunks, error)))
        return FALSE;
    return exchange(self, VMM_KVM_WILL_SET, NULL, NULL, 0, NULL, error);
}

static gboolean
kvm_claim(gpointer self, GError **error)
{
    Kvm *kvm = self;

    /* A server of our own has no other clients to ask. */
    if (kvm->peer.memory != NULL)
        return vmm_host_memory_claim(kvm->peer.memory, error);
    return exchange(kvm, VMM_KVM_CLAIM, NULL, NULL, 0, NULL, error);
}

/* The machine executes the will of a client that hangs up. */
static void
kvm_abandon(gpointer self)
{
    Kvm *kvm = self;

    kvm->is_broken = TRUE;
    shutdown(kvm->fd, SHUT_RDWR);
}

static gboolean
kvm_resume(gpointer self, guint64 *stood_ns, GError **error)
{
    guint64 value = 0;
    gboolean resumed = exchange(self, VMM_KVM_RESUME, &value, NULL, 0, NULL, error);

    if (stood_ns != NULL)
        *stood_ns = value;
    return resumed;
}

static gboolean
kvm_inject_nmi(gpointer self, GError **error)
{
    return exchange(self, VMM_KVM_INJECT_NMI, NULL, NULL, 0, NULL, error);
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
    return map_memory(kvm, fd, error) && (is_sound(kvm) || set_bad_answer(kvm, error));
}

static gboolean
greet(Kvm *kvm, GError **error)
{
    VMM_AUTO_FD int memory_fd = -1;
    guint64 version = VMM_KVM_VERSION;
    VmmKvmHello hello;

    if (!exchange(kvm, VMM_KVM_HELLO, &version, NULL, 0, &memory_fd, error))
        return FALSE;
    if (kvm->answer_bytes < sizeof hello)
        return set_bad_answer(kvm, error);
    memcpy(&hello, kvm->answer, sizeof hello);
    if (hello.n_vcpus == 0 || hello.n_vcpus > VMM_KVM_MAX_VCPUS || hello.n_regions == 0
        || hello.n_regions > VMM_KVM_MAX_REGIONS
        || kvm->answer_bytes != sizeof hello + hello.n_regions * sizeof(VmmKvmRegion)
        || (memory_fd < 0) != (kvm->peer.memory != NULL))
        return set_bad_answer(kvm, error);
    kvm->n_vcpus = hello.n_vcpus;
    g_array_append_vals(kvm->regions, kvm->answer + sizeof hello, hello.n_regions);
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
    const struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };
    Kvm *kvm = g_new0(Kvm, 1);

    kvm->fd = fd;
    kvm->peer = *peer;
    kvm->regions = g_array_new(FALSE, FALSE, sizeof(VmmKvmRegion));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
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
