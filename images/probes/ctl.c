/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ctl: runs commands for the host, which sends them over a virtio-serial port; the guest's half of guest-exec. The
 * protocol is in ctl.h. One command at a time; what a command leaves in the background goes on.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "ctl.h"

#define PIPE_BYTES (1024 * 1024)

/* The running command. */
typedef struct {
    uint64_t session;
    pid_t pid;
    int pidfd;
    int input;          /* -1 once it is closed */
    int output[2];      /* its standard output and standard error; -1 once at their end */
    size_t input_done;  /* bytes of the reader's INPUT frame that the command has taken */
} Command;

static CtlReader reader;

static void
die(const char *what)
{
    perror(what);
    exit(1);
}

/* Opens /dev/vportNpM, whose name the kernel tells in sysfs. */
static int
open_port(void)
{
    char path[300], name[100] = "";
    struct dirent *entry;
    DIR *ports = opendir("/sys/class/virtio-ports");

    while (ports && (entry = readdir(ports))) {
        FILE *file;
        snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", entry->d_name);
        file = fopen(path, "re");
        if (!file)
            continue;
        if (fgets(name, sizeof(name), file) && strcmp(name, CTL_PORT "\n") == 0) {
            fclose(file);
            snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
            closedir(ports);
            return open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
        }
        fclose(file);
    }
    if (ports)
        closedir(ports);
    errno = ENODEV;
    return -1;
}

/* A port without a host at its other end reads as end of file and polls as hung up; the kernel sends SIGIO when one comes. */
static void
wait_for_host(void)
{
    const struct timespec at_most = { .tv_sec = 1 };
    sigset_t io;

    sigemptyset(&io);
    sigaddset(&io, SIGIO);
    sigtimedwait(&io, NULL, &at_most);
}

static void
send_frame(int port, CtlFrame *frame, uint64_t session, uint32_t type, uint32_t length)
{
    fcntl(port, F_SETFL, O_ASYNC);
    ctl_send(port, frame, session, type, length);   /* a host that went away is noticed by the next poll */
    fcntl(port, F_SETFL, O_ASYNC | O_NONBLOCK);
}

static void
answer_hello(int port, uint64_t session)
{
    CtlFrame frame;

    send_frame(port, &frame, session, CTL_HELLO, 0);
}

static void
exec_shell(const char *text, int in, int out, int err)
{
    sigset_t none;

    setsid();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    dup2(in, 0);
    dup2(out, 1);
    dup2(err, 2);
    execl("/bin/sh", "sh", "-c", text, NULL);
    _exit(127);
}

static void
start(Command *command, uint64_t session, const char *text, size_t length)
{
    char *copy = strndup(text, length);
    int in[2], out[2], err[2];

    if (!copy || pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
        die("ctl: pipe");
    fcntl(out[0], F_SETPIPE_SZ, PIPE_BYTES);
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    *command = (Command) { .session = session, .input = in[1], .output = { out[0], err[0] } };
    command->pid = fork();
    if (command->pid == 0)
        exec_shell(copy, in[0], out[1], err[1]);
    command->pidfd = command->pid > 0 ? syscall(SYS_pidfd_open, command->pid, 0) : -1;
    if (command->pidfd < 0)
        die("ctl: fork");
    fcntl(command->pidfd, F_SETFD, FD_CLOEXEC);
    close(in[0]);
    close(out[1]);
    close(err[1]);
    free(copy);
}

static void
close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Collects the command, which has ended or been killed; returns its exit status as a shell counts it. */
static uint32_t
finish(Command *command)
{
    int status;

    waitpid(command->pid, &status, 0);
    close_fd(&command->pidfd);
    close_fd(&command->input);
    close_fd(&command->output[0]);
    close_fd(&command->output[1]);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void
abandon(Command *command)
{
    kill(-command->pid, SIGKILL);
    kill(command->pid, SIGKILL);
    finish(command);
}

/* Passes on what stream WHICH (0: output, 1: error) holds at the moment; returns whether there was something. */
static int
pass_output(int port, Command *command, int which)
{
    static CtlFrame frame;
    ssize_t n;

    if (command->output[which] < 0)
        return 0;
    n = read(command->output[which], frame.data, sizeof(frame.data));
    if (n == 0)
        close_fd(&command->output[which]);
    if (n <= 0)
        return 0;
    send_frame(port, &frame, command->session, which ? CTL_ERROR : CTL_OUTPUT, n);
    return 1;
}

/* Writes the rest of the reader's INPUT frame to the command. Returns whether all of it is gone. */
static int
pass_input(Command *command)
{
    size_t left = reader.frame.header.length - command->input_done;
    ssize_t n = write(command->input, reader.frame.data + command->input_done, left);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        close_fd(&command->input);
        return 1;
    }
    command->input_done += n > 0 ? n : 0;
    return command->input_done == reader.frame.header.length;
}

/* Takes in one read from the port while a command runs. Returns 0 if the command has no host any more. *PENDING is set
 * when the reader holds input that the command has not taken yet. */
static int
take_frame(int port, Command *command, int *pending)
{
    CtlHeader *header = &reader.frame.header;
    int whole = ctl_receive(port, &reader);

    if (whole < 0)
        return 0;
    if (!whole)
        return 1;
    if (header->type == CTL_HELLO && header->session != command->session)
        return 0;
    if (header->session != command->session || command->input < 0)
        return 1;
    if (header->type == CTL_INPUT_END)
        close_fd(&command->input);
    if (header->type == CTL_INPUT && header->length > 0) {
        command->input_done = 0;
        *pending = 1;
    }
    return 1;
}

/* Runs the command to its end. Returns 0 if the host went away or began another session before that. */
static int
attend(int port, Command *command)
{
    CtlFrame frame;
    int pending = 0;
    uint32_t status;

    for (;;) {
        struct pollfd fds[] = {
            { .fd = port, .events = pending ? 0 : POLLIN },
            { .fd = pending ? command->input : -1, .events = POLLOUT },
            { .fd = command->output[0], .events = POLLIN },
            { .fd = command->output[1], .events = POLLIN },
            { .fd = command->pidfd, .events = POLLIN },
        };
        poll(fds, 5, -1);
        if (fds[0].revents & POLLHUP)
            return 0;
        if (fds[0].revents & POLLIN && !take_frame(port, command, &pending))
            return 0;
        if (fds[1].revents)
            pending = !pass_input(command);
        if (fds[2].revents)
            pass_output(port, command, 0);
        if (fds[3].revents)
            pass_output(port, command, 1);
        if (fds[4].revents)
            break;
    }
    while (pass_output(port, command, 0) || pass_output(port, command, 1))
        ;
    status = finish(command);
    memcpy(frame.data, &status, sizeof(status));
    send_frame(port, &frame, command->session, CTL_EXIT, sizeof(status));
    return 1;
}

/* Handles the frame in the reader, outside of any command. */
static void
handle(int port)
{
    static uint64_t session;
    CtlHeader *header = &reader.frame.header;
    Command command;

    if (header->type == CTL_HELLO) {
        session = header->session;
        answer_hello(port, session);
        return;
    }
    if (header->type != CTL_RUN || header->session != session)
        return;
    start(&command, session, reader.frame.data, header->length);
    if (attend(port, &command))
        return;
    abandon(&command);
    if (ctl_is_whole(&reader) && header->type == CTL_HELLO)
        handle(port);
}

int
main(void)
{
    struct pollfd fd = { .events = POLLIN };
    sigset_t io;

    sigemptyset(&io);
    sigaddset(&io, SIGIO);
    sigprocmask(SIG_BLOCK, &io, NULL);
    signal(SIGPIPE, SIG_IGN);
    fd.fd = open_port();
    if (fd.fd < 0)
        die("ctl: cannot open the port " CTL_PORT);
    fcntl(fd.fd, F_SETOWN, getpid());
    fcntl(fd.fd, F_SETFL, O_ASYNC | O_NONBLOCK);

    for (;;) {
        int whole;
        poll(&fd, 1, -1);
        whole = ctl_receive(fd.fd, &reader);
        if (whole > 0)
            handle(fd.fd);
        if (whole < 0)
            wait_for_host();
    }
}
