/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sleeper: falls asleep in a chosen function of the kernel, and stays there until it is killed.
 *
 * usage: sleeper KIND [FILE]
 *
 * Prints "sleeper PID KIND" right before it goes to sleep. KIND read reads FILE, which must be one that has nothing to
 * say for now (a FIFO, a terminal, ...); vfork sleeps where only a fatal signal wakes it.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static int pipe_fds[2];

static void
sleep_pipe(const char *path __attribute__((unused)))
{
    char byte;

    (void) !read(pipe_fds[0], &byte, 1);
}

static void
sleep_poll(const char *path __attribute__((unused)))
{
    struct pollfd fd = { .fd = pipe_fds[0], .events = POLLIN };

    poll(&fd, 1, -1);
}

static void
sleep_select(const char *path __attribute__((unused)))
{
    fd_set fds;

    FD_ZERO(&fds);
    FD_SET(pipe_fds[0], &fds);
    select(pipe_fds[0] + 1, &fds, NULL, NULL, NULL);
}

static void
sleep_epoll(const char *path __attribute__((unused)))
{
    struct epoll_event event = { .events = EPOLLIN };
    int fd = epoll_create1(EPOLL_CLOEXEC);

    epoll_ctl(fd, EPOLL_CTL_ADD, pipe_fds[0], &event);
    epoll_wait(fd, &event, 1, -1);
}

static void
sleep_futex(const char *path __attribute__((unused)))
{
    int word = 0;

    syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void
sleep_nanosleep(const char *path __attribute__((unused)))
{
    const struct timespec year = { .tv_sec = 365 * 24 * 3600 };

    nanosleep(&year, NULL);
}

static void
sleep_socket(const char *path __attribute__((unused)))
{
    int fds[2];
    char byte;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0)
        (void) !recv(fds[0], &byte, 1, 0);
}

static void
sleep_wait(const char *path __attribute__((unused)))
{
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pause();
    }
    wait(NULL);
}

static void
sleep_vfork(const char *path __attribute__((unused)))
{
    if (vfork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pause();
        _exit(0);
    }
}

static void
sleep_read(const char *path)
{
    char byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);    /* a FIFO opened for reading alone would sleep in open */

    if (fd < 0)
        fd = open(path, O_RDONLY | O_CLOEXEC);
    (void) !read(fd, &byte, 1);
}

static const struct {
    const char *name;
    void (*sleep)(const char *path);
} kinds[] = {
    { "pipe", sleep_pipe },     { "poll", sleep_poll },           { "select", sleep_select }, { "epoll", sleep_epoll },
    { "futex", sleep_futex },   { "nanosleep", sleep_nanosleep }, { "socket", sleep_socket }, { "wait", sleep_wait },
    { "vfork", sleep_vfork },   { "read", sleep_read },
};

int
main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (strcmp(kinds[i].name, argv[1]) != 0 || (kinds[i].sleep == sleep_read && argc < 3))
            continue;
        if (pipe(pipe_fds))
            return 1;
        printf("sleeper %d %s\n", getpid(), argv[1]);
        fflush(stdout);
        kinds[i].sleep(argv[2]);
        perror("sleeper: woke up");
        return 1;
    }
    fputs("usage: sleeper pipe|poll|select|epoll|futex|nanosleep|socket|wait|vfork | read FILE\n", stderr);
    return 2;
}
