/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * churn: keeps a kernel busy: forks, executes programs, maps memory, sends itself datagrams, writes, syncs, reads and removes
 * small files. Runs until it is killed, and never holds more than a few hundred KiB.
 *
 * usage: churn [-n PROCESSES (2)] [-d DIRECTORY for the files (/tmp)] [-a ADDRESS whose port 7 sends back what it gets]
 *
 * Prints "churn: N rounds" every second. Ends with 1, after saying what, if something failed that never should.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BYTES (64 * 1024)

static _Atomic unsigned long *rounds;   /* shared by all processes */

static void
fail(const char *what)
{
    perror(what);
    _exit(1);
}

static void
run_program(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        execl("/bin/true", "true", NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        fail("churn: running /bin/true");
}

static void
use_file(const char *path)
{
    static char out[BYTES], in[BYTES];
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    memset(out, *rounds & 0xff, sizeof(out));
    if (fd < 0 || write(fd, out, sizeof(out)) != sizeof(out) || fsync(fd))
        fail("churn: writing a file");
    if (pread(fd, in, sizeof(in), 0) != sizeof(in) || memcmp(in, out, sizeof(in)) != 0)
        fail("churn: reading a file back");
    close(fd);
    if (unlink(path))
        fail("churn: removing a file");
}

static void
use_memory(void)
{
    char *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        fail("churn: mmap");
    memset(memory, 1, BYTES);
    munmap(memory, BYTES);
}

static void
use_network(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof(address);
    char out[1000], in[1000];
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memset(out, *rounds & 0xff, sizeof(out));
    if (fd < 0 || bind(fd, (struct sockaddr *) &address, length) ||
        getsockname(fd, (struct sockaddr *) &address, &length) ||
        sendto(fd, out, sizeof(out), 0, (struct sockaddr *) &address, length) != sizeof(out))
        fail("churn: sending a datagram");
    if (recv(fd, in, sizeof(in), 0) != sizeof(in) || memcmp(in, out, sizeof(in)) != 0)
        fail("churn: receiving it");
    close(fd);
}

static int
connect_to(const char *text)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(7), .sin_addr.s_addr = inet_addr(text) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)))
        fail("churn: connecting");
    return fd;
}

static void
use_connection(int fd)
{
    char out[8000], in[8000];

    memset(out, *rounds & 0xff, sizeof(out));
    if (send(fd, out, sizeof(out), 0) != sizeof(out))
        fail("churn: sending to a server");
    if (recv(fd, in, sizeof(in), MSG_WAITALL) != sizeof(in) || memcmp(in, out, sizeof(in)) != 0)
        fail("churn: receiving from it");
}

static void
churn(const char *directory, const char *server, int index)
{
    char path[200];
    int connection = server ? connect_to(server) : -1;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(path, sizeof(path), "%s/churn.%d", directory, index);
    for (;;) {
        run_program();
        use_file(path);
        use_memory();
        use_network();
        if (server)
            use_connection(connection);
        atomic_fetch_add(rounds, 1);
    }
}

int
main(int argc, char **argv)
{
    const struct timespec second = { .tv_sec = 1 };
    const char *directory = "/tmp", *server = NULL;
    int processes = 2, option;
    sigset_t signals;

    while ((option = getopt(argc, argv, "n:d:a:")) != -1) {
        if (option == 'n' && atoi(optarg) > 0)
            processes = atoi(optarg);
        else if (option == 'd')
            directory = optarg;
        else if (option == 'a')
            server = optarg;
        else
            return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    rounds = mmap(NULL, sizeof(*rounds), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    for (int i = 0; i < processes; i++)
        if (fork() == 0) {
            sigprocmask(SIG_UNBLOCK, &signals, NULL);
            churn(directory, server, i);
        }
    while (sigtimedwait(&signals, NULL, &second) < 0)
        printf("churn: %lu rounds\n", *rounds);
    return 1;
}
