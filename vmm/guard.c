/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/guard.h"

#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/machine.h"
#include "vmm/socket.h"

struct VmmGuard {
    pid_t pid;
    int fd;
};

typedef struct {
    gboolean armed;
    VmmGuardOrder order;
} Message;

/* Our own group's signals, and those that a terminal sends to all of it, are not meant for the guard. */
static void
stand_aside(void)
{
    static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2 };
    sigset_t none;

    setsid();
    for (gsize i = 0; i < G_N_ELEMENTS(ignored); i++)
        signal(ignored[i], SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_NAME, "vmm-guard");
    if (chdir("/") != 0)
        return;     /* it would only keep a directory busy */
}

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

static void
close_all_but(int a, int b)
{
    int low = MIN(a, b), high = MAX(a, b);

    if (low > 0)
        close_range_of_fds(0, low - 1);
    if (high > low + 1)
        close_range_of_fds(low + 1, high - 1);
    close_range_of_fds(high + 1, ~0U);
}

static void
remove_socket(const VmmGuardOrder *order)
{
    char path[sizeof order->socket_path];

    if (order->socket_path[0] == '\0')
        return;
    unlink(order->socket_path);
    if (order->owns_directory) {
        memcpy(path, order->socket_path, sizeof path);
        rmdir(dirname(path));
    }
}

G_NORETURN static void
run_guard(int fd, VmmGuardRescue rescue, gpointer data)
{
    Message message, last = { 0 };
    ssize_t n;

    while ((n = recv(fd, &message, sizeof message, 0)) > 0 || (n < 0 && errno == EINTR))
        if (n == sizeof message)
            last = message;
    if (last.armed) {
        rescue(data, &last.order);
        remove_socket(&last.order);
    }
    _exit(0);
}

VmmGuard *
vmm_guard_new(VmmGuardRescue rescue, gpointer data, int kept_fd, GError **error)
{
    VMM_AUTO_FD int near = -1;
    VMM_AUTO_FD int far = -1;
    int fds[2];
    pid_t pid = -1;
    VmmGuard *guard = NULL;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0) {
        near = fds[0];
        far = fds[1];
        pid = fork();
    }
    if (pid < 0) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "cannot start the process that guards a pause: %s",
                    g_strerror(errno));
        return NULL;
    }
    if (pid == 0) {
        stand_aside();
        close_all_but(far, kept_fd);
        run_guard(far, rescue, data);
    }
    guard = g_new0(VmmGuard, 1);
    guard->pid = pid;
    guard->fd = vmm_fd_steal(&near);
    return guard;
}

void
vmm_guard_free(VmmGuard *guard)
{
    if (guard == NULL)
        return;
    vmm_fd_clear(&guard->fd);
    while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    g_free(guard);
}

static gboolean
send_message(VmmGuard *guard, const Message *message)
{
    ssize_t n;

    while ((n = send(guard->fd, message, sizeof *message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    return n == sizeof *message;
}

gboolean
vmm_guard_arm(VmmGuard *guard, const VmmGuardOrder *order, GError **error)
{
    Message message = { .armed = TRUE, .order = *order };

    if (send_message(guard, &message))
        return TRUE;
    g_set_error_literal(error, VMM_ERROR, VMM_ERROR_LOST,
                        "the process that guards a pause has been killed; run this again");
    return FALSE;
}

void
vmm_guard_disarm(VmmGuard *guard)
{
    Message message = { .armed = FALSE };

    send_message(guard, &message);
}
