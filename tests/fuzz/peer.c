/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/peer.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct {
    int fd, type;
    char *directory, *path;
    GAsyncQueue *sayings;       /* of Saying */
} peer;

typedef struct {
    guint8 *data;
    gsize size;
    int passed_fd;
} Saying;

static gboolean
send_packet(int fd, const guint8 *data, gsize size, int passed_fd)
{
    char space[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec part = { (void *) data, size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    if (passed_fd >= 0) {
        struct cmsghdr *rights;

        message.msg_control = space;
        message.msg_controllen = sizeof space;
        rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rights), &passed_fd, sizeof passed_fd);
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL) >= 0;
}

static void
say_packets(int fd, const Saying *saying)
{
    gsize position = 0;

    while (saying->size - position >= 2) {
        gsize length = saying->data[position] | (gsize) saying->data[position + 1] << 8;

        position += 2;
        length = MIN(length, saying->size - position);
        if (!send_packet(fd, saying->data + position, length, position == 2 ? saying->passed_fd : -1))
            return;
        position += length;
    }
}

static void
say_stream(int fd, const Saying *saying)
{
    for (gsize done = 0; done < saying->size;) {
        ssize_t n = send(fd, saying->data + done, saying->size - done, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        done += n;
    }
}

static gpointer
talk(gpointer unused)
{
    for (;;) {
        Saying *saying = g_async_queue_pop(peer.sayings);
        int fd = accept(peer.fd, NULL, NULL);
        char heard[4096];

        if (peer.type == SOCK_STREAM)
            say_stream(fd, saying);
        else
            say_packets(fd, saying);
        shutdown(fd, SHUT_WR);
        while (recv(fd, heard, sizeof heard, 0) > 0)
            ;
        close(fd);
        g_free(saying->data);
        g_free(saying);
    }
    return NULL;
}

static void
clean_up(void)
{
    unlink(peer.path);
    rmdir(peer.directory);
}

const char *
fuzz_peer_listen(int type)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    peer.directory = g_dir_make_tmp("fuzz-XXXXXX", NULL);
    peer.path = g_build_filename(peer.directory, "socket", NULL);
    peer.sayings = g_async_queue_new();
    peer.type = type;
    peer.fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    g_strlcpy(address.sun_path, peer.path, sizeof address.sun_path);
    if (bind(peer.fd, (const struct sockaddr *) &address, sizeof address) != 0 || listen(peer.fd, 16) != 0)
        g_error("cannot listen on %s", peer.path);
    atexit(clean_up);
    g_thread_new("peer", talk, NULL);
    return peer.path;
}

void
fuzz_peer_says(const guint8 *data, gsize size, int passed_fd)
{
    Saying *saying = g_new(Saying, 1);

    *saying = (Saying) { g_memdup2(data, size), size, passed_fd };
    g_async_queue_push(peer.sayings, saying);
}
