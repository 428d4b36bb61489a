/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * caller: reads a file of the kernel's in a busy loop from several processes, one on each CPU in turn, and checks that every
 * answer has one of the forms that are allowed: the old one or the new one, never anything between.
 *
 * usage: caller [-n PROCESSES (2)] FILE PATTERN...     patterns as of fnmatch, for the whole contents
 *
 * Prints "caller: N calls, N of PATTERN, ..." every second and, after SIGTERM, once more before it ends with 0. An answer
 * of no allowed form, or a failed read, is printed, and it ends with 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_PATTERNS 8

static _Atomic unsigned long *counts;   /* by pattern; shared by all processes */

/* Returns the index of the pattern that what is in the file matches; -1, after saying so, if none does. */
static int
call_once(const char *path, char **patterns)
{
    char text[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (n < 0) {
        printf("caller: %s: %s\n", path, strerror(errno));
        return -1;
    }
    close(fd);
    text[n] = '\0';
    if (n > 0 && text[n - 1] == '\n')
        text[n - 1] = '\0';
    for (int i = 0; patterns[i]; i++)
        if (fnmatch(patterns[i], text, 0) == 0)
            return i;
    printf("caller: unexpected answer: %s\n", text);
    return -1;
}

static void
call_forever(const char *path, char **patterns, int cpu)
{
    cpu_set_t cpus;
    int form;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    sched_setaffinity(0, sizeof(cpus), &cpus);
    while ((form = call_once(path, patterns)) >= 0)
        atomic_fetch_add(&counts[form], 1);
    fflush(stdout);
    _exit(1);
}

static void
print_counts(char **patterns)
{
    unsigned long all = 0;

    for (int i = 0; patterns[i]; i++)
        all += counts[i];
    printf("caller: %lu calls", all);
    for (int i = 0; patterns[i]; i++)
        printf(", %lu of %s", counts[i], patterns[i]);
    putchar('\n');
}

int
main(int argc, char **argv)
{
    const struct timespec second = { .tv_sec = 1 };
    int processes = 2, option, number;
    sigset_t signals;

    while ((option = getopt(argc, argv, "n:")) != -1)
        processes = option == 'n' ? atoi(optarg) : -1;
    if (argc - optind < 2 || argc - optind > MAX_PATTERNS + 1 || processes < 1) {
        fputs("usage: caller [-n PROCESSES] FILE PATTERN...\n", stderr);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    counts = mmap(NULL, MAX_PATTERNS * sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    for (int i = 0; i < processes; i++)
        if (fork() == 0)
            call_forever(argv[optind], argv + optind + 1, i % sysconf(_SC_NPROCESSORS_ONLN));
    do {
        number = sigtimedwait(&signals, NULL, &second);
        print_counts(argv + optind + 1);
    } while (number < 0);
    return number == SIGTERM ? 0 : 1;
}
