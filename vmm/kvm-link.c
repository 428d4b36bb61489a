/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/kvm-link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "vmm/socket.h"

#define ANSWER_TIMEOUT_S 8      /* the machine gives its vCPUs 5 s to stop */

void
vmm_kvm_link_init(VmmKvmLink *link, int fd, const VmmKvmPeer *peer)
{
    const struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };

    link->fd = fd;
    link->peer = peer;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
}

void
vmm_kvm_link_clear(VmmKvmLink *link)
{
    vmm_fd_clear(&link->fd);
}

void
vmm_kvm_link_hang_up(VmmKvmLink *link)
{
    link->is_broken = TRUE;
    shutdown(link->fd, SHUT_RDWR);
}

static gboolean
is_server_alone_lost(const VmmKvmLink *link)
{
    return link->peer->memory != NULL && vmm_host_memory_is_there(link->peer->memory, NULL);
}

static gboolean
set_lost(VmmKvmLink *link, GError **error)
{
    int code = errno;

    vmm_kvm_link_hang_up(link);
    if (code == EAGAIN)
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "the machine does not answer");
    else
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_LOST, is_server_alone_lost(link)
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
receive_answer(VmmKvmLink *link, guint32 request, guint64 *value, int *passed_fd, GError **error)
{
    VmmKvmHeader header;
    char space[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec parts[] = { { &header, sizeof header }, { link->answer, sizeof link->answer } };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
    const struct cmsghdr *rights;
    ssize_t n;

    if (passed_fd != NULL) {
        message.msg_control = space;
        message.msg_controllen = sizeof space;
    }
    while ((n = recvmsg(link->fd, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        ;
    if (n <= 0) {
        errno = n < 0 ? errno : 0;
        return set_lost(link, error);
    }
    rights = passed_fd != NULL ? CMSG_FIRSTHDR(&message) : NULL;
    if (rights != NULL && rights->cmsg_type == SCM_RIGHTS && rights->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(passed_fd, CMSG_DATA(rights), sizeof(int));
    if (n < (ssize_t)sizeof header || header.request != request || (message.msg_flags & MSG_TRUNC) != 0) {
        set_lost(link, NULL);
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "this is no machine's control socket");
        return FALSE;
    }
    link->answer_bytes = n - sizeof header;
    if (value != NULL)
        *value = header.value;
    if (header.status != VMM_KVM_OK)
        g_set_error(error, VMM_ERROR, error_code(header.status), "%s%.*s",
                    link->peer->server > 0 ? "" : "the machine refuses: ", (int)MIN(link->answer_bytes, 200),
                    (const char *)link->answer);
    return header.status == VMM_KVM_OK;
}

gboolean
vmm_kvm_exchange(VmmKvmLink *link, guint32 request, guint64 *value, const void *payload, gsize length, int *passed_fd,
                 GError **error)
{
    VmmKvmHeader header = { request, 0, value != NULL ? *value : 0 };
    struct iovec parts[] = { { &header, sizeof header }, { (void *)payload, length } };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
    ssize_t n;

    if (link->is_broken) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_LOST, "the connection to the machine is lost");
        return FALSE;
    }
    while ((n = sendmsg(link->fd, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    return n >= 0 ? receive_answer(link, request, value, passed_fd, error) : set_lost(link, error);
}

gboolean
vmm_kvm_link_check(VmmKvmLink *link, GError **error)
{
    char byte;

    if (!link->is_broken && recv(link->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN)
        return TRUE;
    errno = 0;
    return set_lost(link, error);
}

gboolean
vmm_kvm_link_refuse_answer(VmmKvmLink *link, GError **error)
{
    set_lost(link, NULL);
    g_set_error_literal(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "the machine's answer is not what the protocol says");
    return FALSE;
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

gboolean
vmm_kvm_send_chunks(VmmKvmLink *link, guint32 request, const VmmChunk *chunks, gsize n_chunks, GError **error)
{
    g_autoptr(GByteArray) packet = g_byte_array_new();

    for (gsize i = 0; i < n_chunks; i++)
        for (gsize done = 0; done < chunks[i].length;) {
            add_piece(packet, &chunks[i], &done);
            if (!is_full(packet))
                continue;
            if (!vmm_kvm_exchange(link, request, NULL, packet->data, packet->len, NULL, error))
                return FALSE;
            g_byte_array_set_size(packet, 0);
        }
    return packet->len == 0 || vmm_kvm_exchange(link, request, NULL, packet->data, packet->len, NULL, error);
}
