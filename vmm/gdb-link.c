/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/gdb-link.h"

#include <poll.h>
#include <string.h>

#include "vmm/error.h"
#include "vmm/gdb-wire.h"
#include "vmm/socket.h"

#define TIMEOUT_US (5 * G_USEC_PER_SEC)
#define MAX_PRINTED 4096
/* So long an answer is looked out for without going to sleep: waking up takes a process tens of microseconds, in which
 * the guest stands still. */
#define SPIN_US 150

struct VmmGdbLink {
    int fd;
    GString *received;
    gsize position;             /* how much of it has been taken apart */
    GString *printed;           /* by the monitor that is behind the stub */
};

VmmGdbLink *
vmm_gdb_link_new(int fd)
{
    VmmGdbLink *link = g_new0(VmmGdbLink, 1);

    link->fd = fd;
    link->received = g_string_sized_new(65536);
    link->printed = g_string_new(NULL);
    return link;
}

void
vmm_gdb_link_free(VmmGdbLink *link)
{
    if (link == NULL)
        return;
    vmm_fd_clear(&link->fd);
    g_string_free(link->received, TRUE);
    g_string_free(link->printed, TRUE);
    g_free(link);
}

static void
string_free(gpointer string)
{
    g_string_free(string, TRUE);
}

/* News that nobody asked for: some stubs say on their own that the guest has stopped, or print text. */
static gboolean
is_notice(const GString *packet)
{
    char kind = packet->str[0];

    return kind == 'T' || kind == 'S' || kind == 'W' || kind == 'X' || (kind == 'O' && packet->str[1] != 'K');
}

/* A notice that prints has 'O' before its text. */
static void
take_notice(VmmGdbLink *link, const GString *notice)
{
    g_autoptr(GByteArray) text = notice->str[0] == 'O' ? vmm_gdb_parse_hex(notice->str + 1, notice->len - 1) : NULL;

    if (text != NULL && link->printed->len + text->len <= MAX_PRINTED)
        g_string_append_len(link->printed, (const char *)text->data, text->len);
}

static gboolean
collect_answers(VmmGdbLink *link, GPtrArray *answers, guint n, GError **error)
{
    while (answers->len < n) {
        GString *payload;

        if (!vmm_gdb_unframe(link->received, &link->position, &payload, error))
            return FALSE;
        if (payload == NULL)
            return TRUE;
        if (!is_notice(payload)) {
            g_ptr_array_add(answers, payload);
            continue;
        }
        take_notice(link, payload);
        g_string_free(payload, TRUE);
    }
    return TRUE;
}

static void
drop_what_was_taken(VmmGdbLink *link)
{
    g_string_erase(link->received, 0, link->position);
    link->position = 0;
}

/*
 * Reads while it sends: a stub that cannot get rid of its answers does not take requests either. No answer is acknowledged; to
 * QEMU's stub the next request does that, and after the last one, a byte more would stop the guest again.
 */
GPtrArray *
vmm_gdb_link_ask(VmmGdbLink *link, const GString *requests, guint n, GError **error)
{
    gint64 start = g_get_monotonic_time(), deadline = start + TIMEOUT_US;
    g_autoptr(GPtrArray) answers = g_ptr_array_new_full(n, string_free);
    gsize sent = 0;

    g_string_truncate(link->printed, 0);
    while (sent < requests->len || answers->len < n) {
        gboolean spin = g_get_monotonic_time() < start + SPIN_US;
        short events = vmm_socket_wait(link->fd, sent < requests->len ? POLLIN | POLLOUT : POLLIN, spin ? 0 : deadline);

        if (events == 0 && spin)
            continue;
        if (events == 0) {
            g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "the gdb stub does not answer");
            return NULL;
        }
        if ((events & POLLOUT) && !vmm_socket_send_some(link->fd, requests->str, requests->len, &sent, error))
            return NULL;
        if ((events & ~POLLOUT) && (!vmm_socket_receive(link->fd, link->received, deadline, error)
                                    || !collect_answers(link, answers, n, error)))
            return NULL;
    }
    drop_what_was_taken(link);
    return g_steal_pointer(&answers);
}

const char *
vmm_gdb_link_printed(const VmmGdbLink *link)
{
    return link->printed->str;
}

void
vmm_gdb_add_request(GString *requests, const char *payload)
{
    vmm_gdb_frame(requests, payload, strlen(payload));
}

const GString *
vmm_gdb_answer(const GPtrArray *answers, guint index)
{
    return g_ptr_array_index(answers, index);
}

gboolean
vmm_gdb_set_answer_error(const char *about, const GString *answer, GError **error)
{
    g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "the gdb stub, asked %s, answered '%.40s'", about, answer->str);
    return FALSE;
}

/*
 * QEMU's stub takes whatever comes for the rest of a packet that it has the beginning of, also from its next client. The
 * first "#00" ends that, or begins its checksum anew, and then the second one does; the wrong checksum is answered by a
 * '-', or not if there was nothing to end. What follows is a packet of its own, and its answer shows that we agree.
 */
gboolean
vmm_gdb_link_resync(VmmGdbLink *link, GError **error)
{
    static const char requests[] = "#00#00$qSupported#37", answer[] = "PacketSize=";
    const gint64 deadline = g_get_monotonic_time() + TIMEOUT_US;
    const char *found = NULL, *end = NULL;

    if (!vmm_socket_send(link->fd, requests, strlen(requests), deadline, error))
        return FALSE;
    while (end == NULL) {
        if (link->received->len > VMM_GDB_MAX_PACKET) {
            g_set_error_literal(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "the gdb stub does not come to itself");
            return FALSE;
        }
        if (!vmm_socket_receive(link->fd, link->received, deadline, error))
            return FALSE;
        found = strstr(link->received->str, answer);
        end = found != NULL ? strchr(found, '#') : NULL;
        if (end != NULL && strlen(end) < strlen("#00"))
            end = NULL;
    }
    g_string_truncate(link->received, 0);
    return TRUE;
}
