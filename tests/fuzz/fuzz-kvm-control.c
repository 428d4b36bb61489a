/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients of an embedded machine's control socket (docs/kvm-protocol.md), of which two do what they like: the input is
 * steps of a byte that says which one does what, two of a length, and a packet of that length.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "vmm/kvm-control.h"
#include "vmm/socket.h"

#define N_CLIENTS 2
#define N_VCPUS 2
#define MAX_STEPS 256
#define MEMORY_BYTES (64 << 10)

typedef enum { SEND, HANG_UP } Act;

/* A machine that is nothing but memory from 0 on. */
typedef struct {
    guint8 *memory;             /* on the heap, so that whatever lies outside of it is noticed */
    gboolean paused;
} FakeMachine;

static gboolean
fake_peek(gpointer self, guint index, VmmKvmRegisters *registers, GError **error)
{
    g_assert_cmpuint(index, <, N_VCPUS);
    *registers = (VmmKvmRegisters) { 0 };
    return TRUE;
}

static gboolean
fake_pause(gpointer self, VmmKvmRegisters *registers, GError **error)
{
    FakeMachine *fake = self;

    g_assert_false(fake->paused);
    fake->paused = TRUE;
    memset(registers, 0, N_VCPUS * sizeof *registers);
    return TRUE;
}

static gboolean
fake_resume(gpointer self, GError **error)
{
    FakeMachine *fake = self;

    g_assert_true(fake->paused);
    fake->paused = FALSE;
    return TRUE;
}

static gboolean
fake_read(gpointer self, guint64 pa, void *buffer, gsize length, GError **error)
{
    FakeMachine *fake = self;

    g_assert_true(fake->paused);
    memcpy(buffer, fake->memory + pa, length);
    return TRUE;
}

static gboolean
fake_write(gpointer self, guint64 pa, const void *data, gsize length, GError **error)
{
    FakeMachine *fake = self;

    g_assert_true(fake->paused);
    memcpy(fake->memory + pa, data, length);
    return TRUE;
}

static gboolean
fake_inject_nmi(gpointer self, GError **error)
{
    g_assert_true(((FakeMachine *)self)->paused);
    return TRUE;
}

static const VmmControlOps fake_ops = {
    .peek = fake_peek,
    .pause = fake_pause,
    .resume = fake_resume,
    .read = fake_read,
    .write = fake_write,
    .inject_nmi = fake_inject_nmi,
};

static int
new_memory_file(void)
{
    int fd = memfd_create("memory", MFD_CLOEXEC);

    if (ftruncate(fd, MEMORY_BYTES) != 0)
        g_error("no memory");
    return fd;
}

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

static VmmControl *
new_control(FakeMachine *fake, const char *path)
{
    static const VmmKvmRegion region = { 0, MEMORY_BYTES, 0 };
    static int memory_fd = -1;
    const VmmControlled machine = {
        .ops = &fake_ops, .self = fake, .n_vcpus = N_VCPUS, .n_regions = 1, .regions = &region,
        .memory_fd = memory_fd >= 0 ? memory_fd : (memory_fd = new_memory_file()),
    };
    VmmControl *control = vmm_control_new(&machine);

    g_assert_true(vmm_control_listen(control, path, NULL));
    return control;
}

void
fuzz(const guint8 *data, gsize size)
{
    static char *path;
    static FakeMachine fake;
    int clients[N_CLIENTS] = { -1, -1 };
    VmmControl *control;

    if (path == NULL) {
        g_autofree char *directory = g_dir_make_tmp("fuzz-XXXXXX", NULL);

        path = g_build_filename(directory, "socket", NULL);
        fake.memory = g_malloc0(MEMORY_BYTES);
    }
    control = new_control(&fake, path);
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
    if (fake.paused)
        __builtin_trap();
}
