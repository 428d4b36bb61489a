/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest-exec: runs a shell command in a test guest, over the guest's control channel (ctl.h), with the caller's standard
 * output and error, and ends with the command's exit status. 255: the channel failed; 124: it took too long.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ctl.h"

enum { EXIT_TIMEOUT = 124, EXIT_CHANNEL = 255 };

static CtlReader reader;
static uint64_t session;

__attribute__((noreturn)) static void
die(const char *what)
{
    fprintf(stderr, "guest-exec: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(EXIT_CHANNEL);
}

static void
on_alarm(int number __attribute__((unused)))
{
    static const char text[] = "guest-exec: the guest took too long\n";

    (void) !write(2, text, sizeof(text) - 1);
    _exit(EXIT_TIMEOUT);
}

static void
usage(void)
{
    fputs("usage: guest-exec [-i] [-t SECONDS] DIRECTORY COMMAND...\n"
          "  DIRECTORY   as printed by run-guest or run-domain\n"
          "  -i          pass standard input on to the command\n"
          "  -t SECONDS  give up after that time (120)\n", stderr);
    exit(2);
}

static int
connect_to(const char *directory)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/ctl.sock", directory);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    errno = ENAMETOOLONG;
    if (n >= (int) sizeof(address.sun_path) || fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)))
        die("cannot reach the guest");
    return fd;
}

/* Says hello until the guest answers: a hello may be swallowed by the half of a frame before it. What comes before the
 * answer was meant for an earlier session. */
static void
say_hello(int fd)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    CtlFrame frame;

    if (getrandom(&session, sizeof(session), 0) != sizeof(session))
        die("getrandom");
    for (;;) {
        int whole = 0;
        if (ctl_send(fd, &frame, session, CTL_HELLO, 0))
            die("the guest went away");
        while (whole >= 0 && poll(&poll_fd, 1, 1000) > 0) {
            whole = ctl_receive(fd, &reader);
            if (whole > 0 && reader.frame.header.session == session)
                return;
        }
        if (whole < 0)
            die("the guest went away");
    }
}

static void
send_command(int fd, char **words)
{
    static CtlFrame frame;
    size_t length = 0;

    for (; *words; words++) {
        int n = snprintf(frame.data + length, sizeof(frame.data) - length, "%s%s", length ? " " : "", *words);
        length += n;
        errno = E2BIG;
        if (length >= sizeof(frame.data))
            die("the command is too long");
    }
    if (ctl_send(fd, &frame, session, CTL_RUN, length))
        die("the guest went away");
}

/* The frame of standard input that is on its way. Sent in whatever pieces the channel takes, because a guest that waits
 * for its output to be read takes none. */
static struct {
    CtlFrame frame;
    size_t length, sent;
    int ended;
} input;

static void
take_input(void)
{
    ssize_t n = read(0, input.frame.data, sizeof(input.frame.data));

    if (n < 0)
        die("standard input");
    input.ended = n == 0;
    input.frame.header = (CtlHeader) {
        .magic = CTL_MAGIC, .session = session, .type = n ? CTL_INPUT : CTL_INPUT_END, .length = n
    };
    input.length = sizeof(input.frame.header) + n;
    input.sent = 0;
}

static void
send_input(int fd)
{
    ssize_t n = send(fd, (char *) &input.frame + input.sent, input.length - input.sent, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN && errno != EINTR)
        die("the guest went away");
    input.sent += n > 0 ? n : 0;
}

/* Takes in one read from the guest. Returns the command's exit status once it is there, or -1. */
static int
take_frame(int fd)
{
    const CtlHeader *header = &reader.frame.header;
    int whole = ctl_receive(fd, &reader);
    uint32_t status;

    if (whole < 0)
        die("the guest went away");
    if (!whole || header->session != session)
        return -1;
    if (header->type == CTL_OUTPUT || header->type == CTL_ERROR)
        if (ctl_write_all(header->type == CTL_OUTPUT ? 1 : 2, reader.frame.data, header->length))
            die("cannot write the command's output");
    if (header->type != CTL_EXIT)
        return -1;
    memcpy(&status, reader.frame.data, sizeof(status));
    return status;
}

/* Returns the command's exit status. */
static int
converse(int fd)
{
    int status = -1;

    while (status < 0) {
        int sending = input.sent < input.length;
        struct pollfd fds[] = {
            { .fd = fd, .events = POLLIN | (sending ? POLLOUT : 0) },
            { .fd = sending || input.ended ? -1 : 0, .events = POLLIN },
        };
        poll(fds, 2, -1);
        if (fds[0].revents & POLLOUT)
            send_input(fd);
        if (fds[0].revents & ~POLLOUT)
            status = take_frame(fd);
        if (fds[1].revents)
            take_input();
    }
    return status;
}

int
main(int argc, char **argv)
{
    unsigned int seconds = 120;
    int option, fd, with_input = 0;

    while ((option = getopt(argc, argv, "+it:")) != -1) {
        if (option == 'i')
            with_input = 1;
        else if (option == 't')
            seconds = atoi(optarg);
        else
            usage();
    }
    if (argc - optind < 2)
        usage();
    signal(SIGALRM, on_alarm);
    alarm(seconds);
    fd = connect_to(argv[optind]);
    say_hello(fd);
    send_command(fd, argv + optind + 1);
    if (!with_input && !freopen("/dev/null", "r", stdin))
        die("/dev/null");
    return converse(fd);
}
