/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virt-livepatch-agent [PORT]: tells, over a virtio-serial port, what this guest's kernel says of itself. It reads
 * files of /proc and /sys, and nothing that it is sent is ever run or written anywhere. docs/agent-protocol.md.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest-agent/answers.h"

#define PORT_NAME "org.virt-livepatch.agent.0"
#define PORTS "/sys/class/virtio-ports"
#define MAX_REQUEST 128

/* A request that is longer than one may be is dropped to its end. */
typedef struct {
    char line[MAX_REQUEST];
    size_t length;
    bool too_long;
} Request;

static void
take(Request *request, char c, Out *out, int port)
{
    if (c != '\n') {
        request->too_long |= request->length + 1 >= sizeof request->line;
        if (!request->too_long)
            request->line[request->length++] = c;
        return;
    }
    request->line[request->length] = '\0';
    answer(request->too_long ? "" : request->line, out);
    out_send(out, port);
    request->length = 0;
    request->too_long = false;
}

/* While nobody is at the other end, a read says that there is nothing, and poll that the port has hung up. */
static void
wait_for_host(int port)
{
    struct pollfd wait = { .fd = port, .events = POLLIN };

    poll(&wait, 1, -1);
    if ((wait.revents & POLLHUP) != 0)
        sleep(1);
}

static bool
has_name(const char *port)
{
    char path[320], name[128] = "";
    FILE *file;

    snprintf(path, sizeof path, PORTS "/%s/name", port);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    if (fgets(name, sizeof name, file) != NULL)
        name[strcspn(name, "\n")] = '\0';
    fclose(file);
    return strcmp(name, PORT_NAME) == 0;
}

/* By the name that the kernel tells; the links in /dev/virtio-ports are udev's, and not in every guest. */
static void
find_port(char *path, size_t room)
{
    DIR *folder = opendir(PORTS);
    const struct dirent *entry;

    snprintf(path, room, "/dev/virtio-ports/" PORT_NAME);
    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (has_name(entry->d_name))
            snprintf(path, room, "/dev/%s", entry->d_name);
    if (folder != NULL)
        closedir(folder);
}

int
main(int argc, char **argv)
{
    char path[512];
    Request request = { .length = 0 };
    Out out = { 0 };
    int port;

    if (argc > 1)
        snprintf(path, sizeof path, "%s", argv[1]);
    else
        find_port(path, sizeof path);
    port = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (port < 0) {
        fprintf(stderr, "virt-livepatch-agent: %s: %s\n", path, strerror(errno));
        return 1;
    }
    for (;;) {
        char bytes[MAX_REQUEST];
        ssize_t length = read(port, bytes, sizeof bytes);

        if (length < 0 && errno != EAGAIN && errno != EINTR) {
            fprintf(stderr, "virt-livepatch-agent: %s: %s\n", path, strerror(errno));
            return 1;
        }
        if (length <= 0)
            wait_for_host(port);
        for (ssize_t i = 0; i < length; i++)
            take(&request, bytes[i], &out, port);
    }
}
