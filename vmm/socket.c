/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/error.h"

void
vmm_fd_clear(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int
vmm_fd_steal(int *fd)
{
    int stolen = *fd;

    *fd = -1;
    return stolen;
}

static void
set_connect_error(const char *path, int code, GError **error)
{
    switch (code) {
    case ENOENT:
    case ENOTDIR:
        g_set_error(error, VMM_ERROR, VMM_ERROR_NOT_FOUND, "there is no socket %s", path);
        return;
    case ECONNREFUSED:
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE,
                    "nobody listens on %s: the machine that made it has ended, or it is no socket", path);
        return;
    case EACCES:
    case EPERM:
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "may not connect to %s: run this as root", path);
        return;
    case EAGAIN:
        g_set_error(error, VMM_ERROR, VMM_ERROR_BUSY, "%s takes no more connections: others are waiting on it; try "
                    "again", path);
        return;
    default:
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "cannot connect to %s: %s", path, g_strerror(code));
    }
}

static int
connect_to(const char *path, int type, GError **error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    VMM_AUTO_FD int fd = -1;

    if (*path == '\0' || strlen(path) >= sizeof address.sun_path) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_USAGE, "'%s' cannot be a socket's path: it is empty or too long",
                    path);
        return -1;
    }
    strcpy(address.sun_path, path);

    fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        set_connect_error(path, errno, error);
        return -1;
    }
    return vmm_fd_steal(&fd);
}

int
vmm_socket_connect(const char *path, GError **error)
{
    return connect_to(path, SOCK_STREAM, error);
}

int
vmm_socket_connect_packets(const char *path, GError **error)
{
    int fd = connect_to(path, SOCK_SEQPACKET, error);

    if (fd >= 0)
        fcntl(fd, F_SETFL, 0);
    return fd;
}

gboolean
vmm_socket_peer_pid(int fd, pid_t *pid, GError **error)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid <= 0) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNREACHABLE,
                            "the machine's process cannot be told from its socket: it runs in another PID namespace");
        return FALSE;
    }
    *pid = peer.pid;
    return TRUE;
}

short
vmm_socket_wait(int fd, short events, gint64 deadline)
{
    struct pollfd poll_fd = { .fd = fd, .events = events };

    for (;;) {
        gint64 left = deadline - g_get_monotonic_time();
        int n = poll(&poll_fd, 1, left <= 0 ? 0 : (int)MIN((left + 999) / 1000, G_MAXINT));

        if (n > 0)
            return poll_fd.revents;
        if (n < 0 && errno != EINTR)
            return POLLERR;
        if (n == 0 && g_get_monotonic_time() >= deadline)
            return 0;
    }
}

static void
set_late_error(GError **error)
{
    g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "no answer within the time allowed");
}

static void
set_lost_error(int code, GError **error)
{
    g_set_error(error, VMM_ERROR, VMM_ERROR_LOST, "the connection was lost: %s",
                code == 0 ? "closed by the other side" : g_strerror(code));
}

gboolean
vmm_socket_send_some(int fd, const char *data, gsize length, gsize *sent, GError **error)
{
    ssize_t n = send(fd, data + *sent, length - *sent, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n > 0)
        *sent += n;
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        set_lost_error(errno, error);
        return FALSE;
    }
    return TRUE;
}

gboolean
vmm_socket_send(int fd, const char *data, gsize length, gint64 deadline, GError **error)
{
    gsize sent = 0;

    while (sent < length) {
        if (vmm_socket_wait(fd, POLLOUT, deadline) == 0) {
            set_late_error(error);
            return FALSE;
        }
        if (!vmm_socket_send_some(fd, data, length, &sent, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
vmm_socket_receive(int fd, GString *buffer, gint64 deadline, GError **error)
{
    char chunk[16384];

    for (;;) {
        ssize_t n = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);

        if (n > 0) {
            g_string_append_len(buffer, chunk, n);
            return TRUE;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            set_lost_error(n == 0 ? 0 : errno, error);
            return FALSE;
        }
        if (vmm_socket_wait(fd, POLLIN, deadline) == 0) {
            set_late_error(error);
            return FALSE;
        }
    }
}
