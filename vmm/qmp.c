/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/qmp.h"

#include <string.h>

#include "vmm/error.h"
#include "vmm/json.h"
#include "vmm/socket.h"

#define MAX_LINE (16 * 1024 * 1024)
/* No request of the process before us had an id as high. */
#define FIRST_ID_AFTER_OTHERS (G_GINT64_CONSTANT(1) << 40)
/* Ends whatever the one before us left unfinished: QEMU's parser skips from a byte that is in no text to the line's end. */
#define RESYNCHRONIZE "\xff\n"

typedef struct {
    int fd;
    GString *received;      /* not yet taken apart */
    gint64 last_id;
    gboolean skips_garbage; /* what is no JSON is passed over */
    gboolean broken;        /* what comes next could not be told from what came before */
    gint64 resumed_us;      /* the time of the last RESUME event, since 1970; 0 if there was none since the last STOP */
} Qmp;

static void
qmp_close(gpointer self)
{
    Qmp *qmp = self;

    vmm_fd_clear(&qmp->fd);
    g_string_free(qmp->received, TRUE);
    g_free(qmp);
}

static char *
take_line(Qmp *qmp, gsize length)
{
    char *line = g_strndup(qmp->received->str, length);

    g_string_erase(qmp->received, 0, length + 1);
    return line;
}

static char *
read_line(Qmp *qmp, gint64 deadline, GError **error)
{
    gsize searched = 0;

    for (;;) {
        const char *end = memchr(qmp->received->str + searched, '\n', qmp->received->len - searched);

        if (end != NULL)
            return take_line(qmp, end - qmp->received->str);
        searched = qmp->received->len;
        if (searched > MAX_LINE) {
            qmp->broken = TRUE;
            g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "an answer longer than %d bytes", MAX_LINE);
            return NULL;
        }
        if (!vmm_socket_receive(qmp->fd, qmp->received, deadline, error))
            return NULL;
    }
}

static JsonObject *
read_object(Qmp *qmp, gint64 deadline, GError **error)
{
    for (;;) {
        g_autofree char *line = read_line(qmp, deadline, error);
        JsonObject *object = line != NULL ? vmm_json_parse(line, qmp->skips_garbage ? NULL : error) : NULL;

        if (line == NULL || object != NULL)
            return object;
        if (!qmp->skips_garbage) {
            qmp->broken = TRUE;
            return NULL;
        }
    }
}

/* Events carry the time at which they happened, however late they are read. */
static void
note_event(Qmp *qmp, JsonObject *object)
{
    const char *event = vmm_json_string(object, "event");
    JsonObject *timestamp = vmm_json_object(object, "timestamp");
    gint64 seconds, us;

    if (event == NULL || !vmm_json_int(timestamp, "seconds", &seconds) ||
        !vmm_json_int(timestamp, "microseconds", &us) || seconds < 0 || seconds > G_MAXINT64 / G_USEC_PER_SEC - 1)
        return;
    us += seconds * G_USEC_PER_SEC;
    if (g_str_equal(event, "STOP"))
        qmp->resumed_us = 0;
    else if (g_str_equal(event, "RESUME"))
        qmp->resumed_us = us;
}

/* Events, and the answers to requests that were given up on, are passed over. */
static gboolean
is_reply_to(JsonObject *object, gint64 id)
{
    gint64 reply_id;

    return vmm_json_int(object, "id", &reply_id) && reply_id == id
        && (json_object_has_member(object, "return") || json_object_has_member(object, "error"));
}

static JsonObject *
qmp_exchange(gpointer self, JsonObject *request, gint64 timeout_us, GError **error)
{
    Qmp *qmp = self;
    gint64 deadline = g_get_monotonic_time() + timeout_us;
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *body = NULL;
    g_autofree char *text = NULL;

    if (qmp->broken) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_LOST, "the connection was given up after an earlier error");
        return NULL;
    }
    json_object_set_int_member(request, "id", ++qmp->last_id);
    json_node_set_object(root, request);
    body = json_to_string(root, FALSE);
    text = g_strconcat(body, "\n", NULL);
    if (!vmm_socket_send(qmp->fd, text, strlen(text), deadline, error)) {
        qmp->broken = TRUE;     /* half a request may be out */
        return NULL;
    }
    for (;;) {
        g_autoptr(JsonObject) object = read_object(qmp, deadline, error);

        if (object == NULL)
            return NULL;
        if (is_reply_to(object, qmp->last_id))
            return g_steal_pointer(&object);
        note_event(qmp, object);
    }
}

static gboolean
qmp_last_resume(gpointer self, gint64 *at_us)
{
    const Qmp *qmp = self;

    *at_us = qmp->resumed_us;
    return qmp->resumed_us != 0;
}

static const VmmMonitorOps qmp_ops = {
    .exchange = qmp_exchange,
    .last_resume = qmp_last_resume,
    .close = qmp_close,
};

static gboolean
wait_for_greeting(Qmp *qmp, const char *name, gint64 deadline, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(JsonObject) greeting = read_object(qmp, deadline, &cause);

    if (greeting != NULL && vmm_json_object(greeting, "QMP") != NULL)
        return TRUE;
    if (greeting != NULL || g_error_matches(cause, VMM_ERROR, VMM_ERROR_PROTOCOL))
        g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "what listens on %s is not QEMU's QMP monitor", name);
    else if (qmp->received->len > 0)
        g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL,
                    "what listens on %s is not QEMU's QMP monitor: no line of JSON", name);
    else if (g_error_matches(cause, VMM_ERROR, VMM_ERROR_LOST))
        g_set_error(error, VMM_ERROR, VMM_ERROR_LOST, "%s: %s", name, cause->message);
    else
        g_set_error(error, VMM_ERROR, VMM_ERROR_BUSY,
                    "%s does not greet: another client is connected to this monitor, which serves one at a time, "
                    "or the machine hangs; disconnect the other client or give the guest a second QMP socket", name);
    return FALSE;
}

VmmMonitor *
vmm_qmp_new(int fd, const char *name, gint64 greeting_us, gint64 answer_us, GError **error)
{
    Qmp *qmp = g_new0(Qmp, 1);
    g_autoptr(VmmMonitor) monitor = vmm_monitor_new(&qmp_ops, qmp, answer_us);
    g_autoptr(JsonNode) done = NULL;

    qmp->fd = fd;
    qmp->received = g_string_new(NULL);
    if (!wait_for_greeting(qmp, name, g_get_monotonic_time() + greeting_us, error))
        return NULL;
    done = vmm_monitor_execute(monitor, "qmp_capabilities", NULL, error);
    return done != NULL ? g_steal_pointer(&monitor) : NULL;
}

VmmMonitor *
vmm_qmp_take_over(int fd, gint64 answer_us)
{
    Qmp *qmp = g_new0(Qmp, 1);

    qmp->fd = fd;
    qmp->received = g_string_new(NULL);
    qmp->last_id = FIRST_ID_AFTER_OTHERS;
    qmp->skips_garbage = TRUE;
    qmp->broken = !vmm_socket_send(fd, RESYNCHRONIZE, strlen(RESYNCHRONIZE), g_get_monotonic_time() + answer_us, NULL);
    return vmm_monitor_new(&qmp_ops, qmp, answer_us);
}
