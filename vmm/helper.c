/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/helper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/socket.h"

/* How long one that has something to do is waited for. */
#define PATIENCE_MS 3000

static void
close_range_of_fds(unsigned int first, unsigned int last)
{
    if (first > last)
        return;
#ifdef SYS_close_range
    if (syscall(SYS_close_range, first, last, 0) == 0)
        return;
#endif
    for (long fd = first, end = MIN((long)last, sysconf(_SC_OPEN_MAX)); fd <= end; fd++)
        close(fd);
}

static int
compare_fds(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void
close_all_but(int *kept, gsize n_kept)
{
    int next = 0;

    qsort(kept, n_kept, sizeof *kept, compare_fds);
    for (gsize i = 0; i < n_kept; i++) {
        if (kept[i] > next)
            close_range_of_fds(next, kept[i] - 1);
        next = MAX(next, kept[i] + 1);
    }
    close_range_of_fds(next, ~0U);
}

void
vmm_helper_stand_aside(const char *name, int *kept, gsize n_kept)
{
    static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2 };
    sigset_t none;

    setsid();
    for (gsize i = 0; i < G_N_ELEMENTS(ignored); i++)
        signal(ignored[i], SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_NAME, name);
    close_all_but(kept, n_kept);
    if (chdir("/") != 0)
        return;     /* it would only keep a directory busy */
}

gboolean
vmm_helper_wait(pid_t pid)
{
    VMM_AUTO_FD int fd = syscall(SYS_pidfd_open, pid, 0);
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

    if (fd >= 0 && poll(&poll_fd, 1, PATIENCE_MS) == 0)
        return FALSE;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return TRUE;
}
