/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/vmm/fake-peer.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct FakePeer {
    int fd;
    FakePeerFunc func;
    gpointer data;
    GThread *thread;
};

static gpointer
run(gpointer data)
{
    FakePeer *peer = data;

    peer->func(peer->fd, peer->data);
    close(peer->fd);
    return NULL;
}

FakePeer *
fake_peer_new(FakePeerFunc func, gpointer data, int *fd)
{
    FakePeer *peer = g_new0(FakePeer, 1);
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    *fd = fds[0];
    peer->fd = fds[1];
    peer->func = func;
    peer->data = data;
    peer->thread = g_thread_new("fake peer", run, peer);
    return peer;
}

void
fake_peer_free(FakePeer *peer)
{
    g_thread_join(peer->thread);
    g_free(peer);
}

gboolean
fake_peer_send(int fd, const char *data, gsize length)
{
    while (length > 0) {
        ssize_t n = send(fd, data, length, MSG_NOSIGNAL);

        if (n <= 0)
            return FALSE;
        data += n;
        length -= n;
    }
    return TRUE;
}

char *
fake_peer_read_line(int fd, GString *buffer)
{
    char chunk[4096];
    char *end;

    while ((end = strchr(buffer->str, '\n')) == NULL) {
        ssize_t n = recv(fd, chunk, sizeof chunk, 0);

        if (n <= 0)
            return NULL;
        g_string_append_len(buffer, chunk, n);
    }
    char *line = g_strndup(buffer->str, end - buffer->str);
    g_string_erase(buffer, 0, end - buffer->str + 1);
    return line;
}
