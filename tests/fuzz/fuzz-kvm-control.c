/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients of an embedded machine's control socket (docs/kvm-protocol.md), of which two do what they like: the input is
 * steps of a byte that says which one does what, two of a length, and a packet of that length.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/fake-vm.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/kvm-control.h"
#include "vmm/socket.h"

#define N_CLIENTS 2
#define MAX_STEPS 256

typedef enum { SEND, HANG_UP } Act;

static void
serve(VmmControl *control)
{
    struct pollfd fds[VMM_CONTROL_MAX_FDS];
    guint n = vmm_control_fds(control, fds);

    if (poll(fds, n, 0) > 0)
        vmm_control_serve(control, fds, n);
}

static void
do_step(int *client, const char *path, guint8 act, const guint8 *packet, gsize length)
{
    char answer[256];

    if (*client < 0)
        *client = vmm_socket_connect_packets(path, NULL);
    if (act % 2 == HANG_UP)
        vmm_fd_clear(client);
    else if (send(*client, packet, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        vmm_fd_clear(client);
    else
        while (recv(*client, answer, sizeof answer, MSG_DONTWAIT) > 0)
            ;
}

void
fuzz(const guint8 *data, gsize size)
{
    static char *path;
    static VmmVm *vm;
    int clients[N_CLIENTS] = { -1, -1 };
    VmmControl *control;

    if (path == NULL) {
        g_autofree char *directory = g_dir_make_tmp("fuzz-XXXXXX", NULL);

        path = g_build_filename(directory, "socket", NULL);
        vm = fake_vm_new();
    }
    control = vmm_control_new(path, vm, NULL);
    g_assert_nonnull(control);
    for (guint i = 0; i < MAX_STEPS && size >= 3; i++) {
        gsize length = data[1] | (gsize) data[2] << 8;

        length = MIN(length, size - 3);
        do_step(&clients[data[0] % N_CLIENTS], path, data[0] / N_CLIENTS, data + 3, length);
        serve(control);
        serve(control);
        data += 3 + length;
        size -= 3 + length;
    }
    vmm_control_free(control);
    for (guint i = 0; i < N_CLIENTS; i++)
        vmm_fd_clear(&clients[i]);
    if (fake_vm_is_paused(vm))
        __builtin_trap();
}
