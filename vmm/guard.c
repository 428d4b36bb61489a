/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/guard.h"

#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/error.h"
#include "vmm/helper.h"
#include "vmm/socket.h"
#include "vmm/stub.h"

struct VmmGuard {
    pid_t pid;
    int fd;
    VmmWill *will;
};

typedef struct {
    gboolean armed;
    VmmGuardOrder order;
} Message;

static void
remove_socket(const VmmGuardOrder *order)
{
    g_autofree char *announced = NULL;
    char path[sizeof order->socket_path];

    if (order->socket_path[0] == '\0')
        return;
    unlink(order->socket_path);
    announced = g_strconcat(order->socket_path, VMM_STUB_ANNOUNCED, NULL);
    unlink(announced);
    if (order->owns_directory) {
        memcpy(path, order->socket_path, sizeof path);
        rmdir(dirname(path));
    }
}

/* What was learnt of the machine and the stub's place outlives the pause. */
static void
take_message(Message *last, const Message *message)
{
    if (message->armed) {
        *last = *message;
        return;
    }
    last->armed = FALSE;
    last->order.may_be_paused = FALSE;
    last->order.chardev[0] = last->order.socket_path[0] = '\0';
}

G_NORETURN static void
run_guard(int fd, VmmGuardRescue rescue, gpointer data, const VmmWill *will)
{
    Message message, last = { 0 };
    ssize_t n;

    while ((n = recv(fd, &message, sizeof message, 0)) > 0 || (n < 0 && errno == EINTR))
        if (n == sizeof message)
            take_message(&last, &message);
    if (last.armed || !vmm_will_is_empty(will)) {
        rescue(data, &last.order, will);
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
    g_autoptr(VmmWill) will = vmm_will_new(error);
    VmmGuard *guard = NULL;

    if (will == NULL)
        return NULL;
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
        int kept[] = { far, kept_fd, vmm_will_fd(will) };

        vmm_helper_stand_aside("vmm-guard", kept, G_N_ELEMENTS(kept));
        run_guard(far, rescue, data, will);
    }
    guard = g_new0(VmmGuard, 1);
    guard->pid = pid;
    guard->fd = vmm_fd_steal(&near);
    guard->will = g_steal_pointer(&will);
    return guard;
}

VmmWill *
vmm_guard_will(VmmGuard *guard)
{
    return guard->will;
}

void
vmm_guard_free(VmmGuard *guard)
{
    if (guard == NULL)
        return;
    vmm_fd_clear(&guard->fd);
    if (!vmm_helper_wait(guard->pid))
        g_warning("the machine does not answer; process %d stays behind, and puts the guest right as soon as it does",
                  (int)guard->pid);
    vmm_will_free(guard->will);
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

static gboolean
set_killed_error(GError **error)
{
    g_set_error_literal(error, VMM_ERROR, VMM_ERROR_LOST,
                        "the process that guards the guest has been killed; run this again");
    return FALSE;
}

gboolean
vmm_guard_arm(VmmGuard *guard, const VmmGuardOrder *order, GError **error)
{
    Message message = { .armed = TRUE, .order = *order };

    return send_message(guard, &message) || set_killed_error(error);
}

gboolean
vmm_guard_check(VmmGuard *guard, GError **error)
{
    char nothing;
    ssize_t n = recv(guard->fd, &nothing, sizeof nothing, MSG_DONTWAIT | MSG_PEEK);

    return (n < 0 && (errno == EAGAIN || errno == EINTR)) || set_killed_error(error);
}

void
vmm_guard_disarm(VmmGuard *guard)
{
    Message message = { .armed = FALSE };

    send_message(guard, &message);
}
