/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/kvm-control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/kvm-pieces.h"
#include "vmm/socket.h"

typedef struct {
    int fd;
    GByteArray *draft;          /* pieces, the first of them the proof */
    GByteArray *will;           /* the same; NULL: none */
} Client;

struct VmmControl {
    VmmControlled machine;
    char *path;
    int fd;                     /* that listens; -1: nobody else can come */
    GPtrArray *clients;
    Client *pauser;             /* of the clients, or NULL */
    Client *claimer;            /* likewise: the one that may change the guest, of those that ask */
    gint64 paused_at;           /* monotonic, us */
    VmmKvmRegisters registers[VMM_KVM_MAX_VCPUS];
};

static void
client_free(gpointer data)
{
    Client *client = data;

    vmm_fd_clear(&client->fd);
    g_clear_pointer(&client->draft, g_byte_array_unref);
    g_clear_pointer(&client->will, g_byte_array_unref);
    g_free(client);
}

static void
drop_client(VmmControl *control, Client *client)
{
    const VmmControlled *machine = &control->machine;
    gboolean paused = control->pauser != NULL;

    if (client->will != NULL && (paused || machine->ops->pause(machine->self, control->registers, NULL))) {
        vmm_kvm_pieces_execute(machine, client->will->data, client->will->len);
        if (!paused)
            machine->ops->resume(machine->self, NULL);
    }
    if (control->pauser == client) {
        machine->ops->resume(machine->self, NULL);
        control->pauser = NULL;
    }
    if (control->claimer == client)
        control->claimer = NULL;
    g_ptr_array_remove(control->clients, client);
}

static gboolean
send_answer(const Client *client, guint32 request, VmmKvmStatus status, guint64 value, const void *payload, gsize length)
{
    VmmKvmHeader header = { request, status, value };
    struct iovec parts[] = { { &header, sizeof header }, { (void *)payload, length } };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

    return sendmsg(client->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static gboolean
refuse(const Client *client, guint32 request, VmmKvmStatus status, const char *why)
{
    return send_answer(client, request, status, 0, why, strlen(why));
}

static gboolean
refuse_for(const Client *client, guint32 request, const GError *error)
{
    VmmKvmStatus status = VMM_KVM_FAILED;

    if (g_error_matches(error, VMM_ERROR, VMM_ERROR_BUSY))
        status = VMM_KVM_BUSY;
    else if (g_error_matches(error, VMM_ERROR, VMM_ERROR_LOST))
        status = VMM_KVM_ENDED;
    return refuse(client, request, status, error->message);
}

static gboolean
greet(VmmControl *control, Client *client, guint64 version)
{
    const VmmControlled *machine = &control->machine;
    const VmmKvmHeader header = { VMM_KVM_HELLO, VMM_KVM_OK, VMM_KVM_VERSION };
    const VmmKvmHello hello = { machine->n_vcpus, machine->n_regions };
    char space[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec parts[] = {
        { (void *)&header, sizeof header }, { (void *)&hello, sizeof hello },
        { (void *)machine->regions, machine->n_regions * sizeof machine->regions[0] },
    };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = G_N_ELEMENTS(parts) };
    struct cmsghdr *rights;

    if (version != VMM_KVM_VERSION)
        return refuse(client, VMM_KVM_HELLO, VMM_KVM_REFUSED, "this machine knows version 1 of the protocol only");
    if (machine->memory_fd >= 0) {
        message.msg_control = space;
        message.msg_controllen = sizeof space;
        rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rights), &machine->memory_fd, sizeof(int));
    }
    return sendmsg(client->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static gboolean
tell_state(VmmControl *control, Client *client)
{
    const VmmControlled *machine = &control->machine;
    g_autoptr(GError) error = NULL;
    gboolean running = control->pauser == NULL;

    if (running && machine->ops->is_running != NULL && !machine->ops->is_running(machine->self, &running, &error))
        return refuse_for(client, VMM_KVM_STATE, error);
    return send_answer(client, VMM_KVM_STATE, VMM_KVM_OK, running, NULL, 0);
}

static gboolean
do_pause(VmmControl *control, Client *client)
{
    const VmmControlled *machine = &control->machine;
    g_autoptr(GError) error = NULL;

    if (control->pauser != NULL)
        return refuse(client, VMM_KVM_PAUSE, VMM_KVM_BUSY, "the guest is paused by another client");
    control->paused_at = g_get_monotonic_time();
    if (!machine->ops->pause(machine->self, control->registers, &error))
        return refuse_for(client, VMM_KVM_PAUSE, error);
    control->pauser = client;
    return send_answer(client, VMM_KVM_PAUSE, VMM_KVM_OK, 0, control->registers,
                       machine->n_vcpus * sizeof control->registers[0]);
}

static gboolean
do_resume(VmmControl *control, Client *client)
{
    const VmmControlled *machine = &control->machine;
    g_autoptr(GError) error = NULL;
    gboolean resumed;
    gint64 stood_us;

    if (control->pauser != client)
        return refuse(client, VMM_KVM_RESUME, VMM_KVM_REFUSED, "this client has not paused the guest");
    resumed = machine->ops->resume(machine->self, &error);
    stood_us = g_get_monotonic_time() - control->paused_at;
    control->pauser = NULL;
    if (!resumed)
        return refuse_for(client, VMM_KVM_RESUME, error);
    return send_answer(client, VMM_KVM_RESUME, VMM_KVM_OK, stood_us * 1000, NULL, 0);
}

static gboolean
do_peek(VmmControl *control, Client *client, guint64 index)
{
    const VmmControlled *machine = &control->machine;
    g_autoptr(GError) error = NULL;
    VmmKvmRegisters registers;

    if (index >= machine->n_vcpus)
        return refuse(client, VMM_KVM_PEEK, VMM_KVM_REFUSED, "there is no such vCPU");
    if (control->pauser != NULL)
        registers = control->registers[index];
    else if (!machine->ops->peek(machine->self, index, &registers, &error))
        return refuse_for(client, VMM_KVM_PEEK, error);
    return send_answer(client, VMM_KVM_PEEK, VMM_KVM_OK, 0, &registers, sizeof registers);
}

static gboolean
do_write(VmmControl *control, Client *client, const guint8 *data, gsize length)
{
    g_autoptr(GError) error = NULL;

    if (control->pauser != client)
        return refuse(client, VMM_KVM_WRITE, VMM_KVM_REFUSED, "this client has not paused the guest");
    if (!vmm_kvm_pieces_are_memory(&control->machine, data, length))
        return refuse(client, VMM_KVM_WRITE, VMM_KVM_BAD_ADDRESS, "there is no guest memory");
    if (!vmm_kvm_pieces_write(&control->machine, data, length, &error))
        return refuse_for(client, VMM_KVM_WRITE, error);
    return send_answer(client, VMM_KVM_WRITE, VMM_KVM_OK, 0, NULL, 0);
}

static gboolean
add_to_draft(VmmControl *control, Client *client, const guint8 *data, gsize length)
{
    if (!vmm_kvm_pieces_are_memory(&control->machine, data, length))
        return refuse(client, VMM_KVM_WILL_ADD, VMM_KVM_BAD_ADDRESS, "there is no guest memory");
    if (client->draft->len + length > VMM_KVM_MAX_WILL_BYTES)
        return refuse(client, VMM_KVM_WILL_ADD, VMM_KVM_REFUSED, "the will is too long");
    g_byte_array_append(client->draft, data, length);
    return send_answer(client, VMM_KVM_WILL_ADD, VMM_KVM_OK, 0, NULL, 0);
}

static gboolean
set_will(Client *client)
{
    g_clear_pointer(&client->will, g_byte_array_unref);
    if (client->draft->len > 0) {
        client->will = client->draft;
        client->draft = g_byte_array_new();
    }
    return send_answer(client, VMM_KVM_WILL_SET, VMM_KVM_OK, 0, NULL, 0);
}

static gboolean
do_claim(VmmControl *control, Client *client)
{
    if (control->claimer != NULL && control->claimer != client)
        return refuse(client, VMM_KVM_CLAIM, VMM_KVM_BUSY, "another client is changing the guest");
    control->claimer = client;
    return send_answer(client, VMM_KVM_CLAIM, VMM_KVM_OK, 0, NULL, 0);
}

static gboolean
do_inject_nmi(VmmControl *control, Client *client)
{
    g_autoptr(GError) error = NULL;

    if (control->pauser != client)
        return refuse(client, VMM_KVM_INJECT_NMI, VMM_KVM_REFUSED, "this client has not paused the guest");
    if (!control->machine.ops->inject_nmi(control->machine.self, &error))
        return refuse_for(client, VMM_KVM_INJECT_NMI, error);
    return send_answer(client, VMM_KVM_INJECT_NMI, VMM_KVM_OK, 0, NULL, 0);
}

static gboolean
answer_request(VmmControl *control, Client *client, const VmmKvmHeader *header, const guint8 *data, gsize length)
{
    switch ((VmmKvmRequest)header->request) {
    case VMM_KVM_HELLO:
        return greet(control, client, header->value);
    case VMM_KVM_STATE:
        return tell_state(control, client);
    case VMM_KVM_PEEK:
        return do_peek(control, client, header->value);
    case VMM_KVM_PAUSE:
        return do_pause(control, client);
    case VMM_KVM_WRITE:
        return do_write(control, client, data, length);
    case VMM_KVM_RESUME:
        return do_resume(control, client);
    case VMM_KVM_WILL_ADD:
        return add_to_draft(control, client, data, length);
    case VMM_KVM_WILL_SET:
        return set_will(client);
    case VMM_KVM_CLAIM:
        return do_claim(control, client);
    case VMM_KVM_INJECT_NMI:
        return do_inject_nmi(control, client);
    }
    return refuse(client, header->request, VMM_KVM_REFUSED, "there is no such request");
}

/* FALSE: this client is gone, or not worth talking to. */
static gboolean
serve_client(VmmControl *control, Client *client)
{
    guint8 packet[VMM_KVM_MAX_PACKET];
    ssize_t n = recv(client->fd, packet, sizeof packet, MSG_DONTWAIT | MSG_TRUNC);
    VmmKvmHeader header;

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n < (ssize_t)sizeof header || n > (ssize_t)sizeof packet)
        return FALSE;
    memcpy(&header, packet, sizeof header);
    return answer_request(control, client, &header, packet + sizeof header, n - sizeof header);
}

void
vmm_control_adopt(VmmControl *control, int fd)
{
    Client *client = g_new0(Client, 1);

    client->fd = fd;
    client->draft = g_byte_array_new();
    g_ptr_array_add(control->clients, client);
}

static void
accept_client(VmmControl *control)
{
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0 && control->clients->len == VMM_CONTROL_MAX_CLIENTS)
        close(fd);
    else if (fd >= 0)
        vmm_control_adopt(control, fd);
}

VmmControl *
vmm_control_new(const VmmControlled *machine)
{
    VmmControl *control = g_new0(VmmControl, 1);

    control->machine = *machine;
    control->fd = -1;
    control->clients = g_ptr_array_new_with_free_func(client_free);
    return control;
}

void
vmm_control_free(VmmControl *control)
{
    if (control == NULL)
        return;
    while (control->clients->len > 0)
        drop_client(control, g_ptr_array_index(control->clients, 0));
    g_ptr_array_unref(control->clients);
    vmm_fd_clear(&control->fd);
    if (control->path != NULL)
        unlink(control->path);
    g_free(control->path);
    g_free(control);
}

gboolean
vmm_control_listen(VmmControl *control, const char *path, GError **error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    mode_t before;
    int bound;

    if (strlen(path) >= sizeof address.sun_path) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_USAGE, "the path of the socket is too long: %s", path);
        return FALSE;
    }
    strcpy(address.sun_path, path);
    control->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    before = umask(0177);
    bound = bind(control->fd, (const struct sockaddr *)&address, sizeof address);
    umask(before);
    if (bound == 0)
        control->path = g_strdup(path);     /* else it is somebody else's */
    if (bound == 0 && listen(control->fd, VMM_CONTROL_MAX_CLIENTS) == 0)
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "cannot listen on %s: %s", path, g_strerror(errno));
    return FALSE;
}

guint
vmm_control_n_clients(const VmmControl *control)
{
    return control->clients->len;
}

guint
vmm_control_fds(const VmmControl *control, struct pollfd fds[VMM_CONTROL_MAX_FDS])
{
    fds[0] = (struct pollfd) { control->fd, POLLIN, 0 };
    for (guint i = 0; i < control->clients->len; i++)
        fds[1 + i] = (struct pollfd) { ((Client *)g_ptr_array_index(control->clients, i))->fd, POLLIN, 0 };
    return 1 + control->clients->len;
}

int
vmm_control_timeout_ms(const VmmControl *control)
{
    gint64 left_us = control->paused_at + VMM_KVM_MAX_PAUSE_US - g_get_monotonic_time();

    return control->pauser == NULL ? -1 : (int)(MAX(left_us, 0) / 1000) + 1;
}

static Client *
find_client(const VmmControl *control, int fd)
{
    for (guint i = 0; i < control->clients->len; i++) {
        Client *client = g_ptr_array_index(control->clients, i);

        if (client->fd == fd)
            return client;
    }
    return NULL;
}

void
vmm_control_serve(VmmControl *control, const struct pollfd *fds, guint n)
{
    for (guint i = 1; i < n; i++) {
        Client *client = fds[i].revents != 0 ? find_client(control, fds[i].fd) : NULL;

        if (client != NULL && !serve_client(control, client))
            drop_client(control, client);
    }
    if (fds[0].revents != 0)
        accept_client(control);
    if (control->pauser != NULL && g_get_monotonic_time() - control->paused_at >= VMM_KVM_MAX_PAUSE_US)
        drop_client(control, control->pauser);
}
