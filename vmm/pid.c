/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pid:N, any process that has a machine of KVM's: a helper of ours (stranger.h) holds it, and offers us what other
 * machines offer themselves. So it outlives us where that matters: it lets the guest run on, and carries out a last will.
 */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/helper.h"
#include "vmm/kvm.h"
#include "vmm/socket.h"
#include "vmm/stranger.h"

#define MAX_KEPT 6

static gboolean
parse_pid(const char *text, pid_t *pid, GError **error)
{
    guint64 value;

    if (!g_ascii_string_to_unsigned(text, 10, 1, G_MAXINT32, &value, NULL)) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_USAGE, "pid: takes the number of a process, not '%s'", text);
        return FALSE;
    }
    *pid = value;
    return TRUE;
}

G_NORETURN static void
serve(VmmStranger *stranger, int fd)
{
    g_autoptr(VmmControl) control = NULL;
    VmmControlled machine;
    struct pollfd fds[1 + VMM_CONTROL_MAX_FDS];
    struct signalfd_siginfo info;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fds[0] = (struct pollfd) { signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), POLLIN, 0 };
    vmm_stranger_describe(stranger, &machine);
    control = vmm_control_new(&machine);
    vmm_control_adopt(control, fd);
    while (vmm_control_n_clients(control) > 0 && vmm_stranger_look(stranger)) {
        guint n = vmm_control_fds(control, fds + 1);

        if (poll(fds, 1 + n, vmm_control_timeout_ms(control)) >= 0)
            vmm_control_serve(control, fds + 1, n);
        while (read(fds[0].fd, &info, sizeof info) == sizeof info)
            ;       /* only its coming counts */
    }
    _exit(0);
}

/* The helper also keeps LOCK_FD, with which the machine is claimed: until it has put right what it may have to. */
static pid_t
start_server(VmmStranger *stranger, int lock_fd, int *near, GError **error)
{
    int fds[2];
    pid_t pid = -1;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
        fds[0] = fds[1] = -1;
    else
        pid = fork();
    if (pid == 0) {
        int kept[MAX_KEPT] = { fds[1], lock_fd };
        guint n_kept = 2 + vmm_stranger_fds(stranger, kept + 2);

        vmm_helper_stand_aside("vmm-keeper", kept, n_kept);
        serve(stranger, fds[1]);
    }
    *near = fds[0];
    vmm_fd_clear(&fds[1]);
    if (pid < 0) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "cannot start the process that is to hold the machine: %s",
                    g_strerror(errno));
        vmm_fd_clear(near);
    }
    return pid;
}

gboolean
vmm_pid_open(const char *text, const char *uri, VmmBackendInstance *instance, GError **error)
{
    g_autofree char *name = g_strdup_printf("pid:%s", text);
    g_autoptr(VmmHostMemory) memory = NULL;
    g_autoptr(VmmStranger) stranger = NULL;
    VmmKvmPeer peer = { .name = name };
    pid_t pid;
    int fd;

    if (!parse_pid(text, &pid, error))
        return FALSE;
    memory = vmm_host_memory_new(pid, error);
    stranger = memory != NULL ? vmm_stranger_new(pid, error) : NULL;
    if (stranger == NULL)
        return FALSE;
    peer.server = start_server(stranger, vmm_host_memory_process_fd(memory), &fd, error);
    if (peer.server < 0)
        return FALSE;
    peer.memory = g_steal_pointer(&memory);
    return vmm_kvm_adopt(fd, &peer, instance, error);
}
