/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <poll.h>
#include <string.h>

#include "tests/vmm/fake-peer.h"
#include "vmm/json.h"
#include "vmm/machine.h"
#include "vmm/qmp.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n"
#define LONG_US (60 * G_USEC_PER_SEC)
#define SHORT_US G_USEC_PER_SEC          /* for an answer that comes, on a busy machine too, and one that never does */
#define NO_TIME_US 20000

/* What the monitor sends: first the greeting, then one entry for each line it gets. "@" becomes that line's id. Where
 * the list ends, it stays silent until we close, or closes at once. */
typedef struct {
    const char *const *says;
    gboolean closes;
} Script;

static char *
id_of(const char *line)
{
    g_autoptr(JsonObject) request = vmm_json_parse(line, NULL);
    gint64 id = -1;

    g_assert_nonnull(request);
    g_assert_true(vmm_json_int(request, "id", &id));
    return g_strdup_printf("%" G_GINT64_FORMAT, id);
}

static void
play(int fd, gpointer data)
{
    const Script *script = data;
    g_autoptr(GString) buffer = g_string_new(NULL);

    for (guint i = 0; script->says[i] != NULL; i++) {
        g_autofree char *line = i > 0 ? fake_peer_read_line(fd, buffer) : NULL;
        g_autofree char *id = line != NULL ? id_of(line) : g_strdup("@");
        g_auto(GStrv) parts = g_strsplit(script->says[i], "@", -1);
        g_autofree char *text = g_strjoinv(id, parts);

        if ((i > 0 && line == NULL) || !fake_peer_send(fd, text, strlen(text)))
            return;
    }
    while (!script->closes) {
        g_autofree char *line = fake_peer_read_line(fd, buffer);

        if (line == NULL)
            return;
    }
}

/* What is said of itself is there when it is looked for. */
static void
wait_for_peer(int fd, const Script *script)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

    if (*script->says[0] != '\0')
        g_assert_cmpint(poll(&poll_fd, 1, -1), ==, 1);
}

static VmmMonitor *
open_monitor(const Script *script, FakePeer **peer, gint64 patience_us, GError **error)
{
    int fd;

    *peer = fake_peer_new(play, (gpointer)script, &fd);
    wait_for_peer(fd, script);
    return vmm_qmp_new(fd, "test.sock", patience_us, patience_us, error);
}

static void
assert_open_fails(const Script *script, gint64 patience_us, int code)
{
    g_autoptr(FakePeer) peer = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(VmmMonitor) monitor = open_monitor(script, &peer, patience_us, &error);

    g_assert_error(error, VMM_ERROR, code);
    g_assert_null(monitor);
}

static void
assert_status_fails(const char *answer, gboolean closes, gint64 patience_us, int code)
{
    const char *says[] = { GREETING, "{\"return\":{},\"id\":@}\r\n", answer, NULL };
    Script script = { says, closes };
    g_autoptr(FakePeer) peer = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(VmmMonitor) monitor = open_monitor(&script, &peer, patience_us, &error);
    gboolean running;

    g_assert_no_error(error);
    g_assert_false(vmm_monitor_run_state(monitor, &running, NULL, &error));
    g_assert_error(error, VMM_ERROR, code);
}

static void
test_status(void)
{
    const char *says[] = {
        GREETING, "{\"return\":{},\"id\":@}\r\n",
        "{\"event\":\"STOP\",\"timestamp\":{}}\r\n{\"return\":{\"status\":\"old\",\"running\":false},\"id\":77}\r\n"
        "{\"return\":{\"status\":\"running\",\"running\":true},\"id\":@}\r\n",
        "{\"return\":\"VM status: running\\r\\n\",\"id\":@}\r\n", NULL,
    };
    Script script = { says, FALSE };
    g_autoptr(FakePeer) peer = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(VmmMonitor) monitor = open_monitor(&script, &peer, LONG_US, &error);
    g_autofree char *state = NULL;
    g_autofree char *text = NULL;
    gboolean running = FALSE;

    g_assert_no_error(error);
    g_assert_true(vmm_monitor_run_state(monitor, &running, &state, &error));
    g_assert_no_error(error);
    g_assert_true(running);
    g_assert_cmpstr(state, ==, "running");
    text = vmm_monitor_hmp(monitor, "info status", -1, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(text, ==, "VM status: running\r\n");
    g_clear_pointer(&monitor, vmm_monitor_free);
}

static void
test_no_greeting(void)
{
    const char *silence[] = { "", NULL };
    const char *human[] = { "QEMU 7.2.0 monitor - type 'help' for more information\r\n(qemu) ", NULL };
    const char *half[] = { "(qemu) ", NULL };
    const char *other_json[] = { "{\"hello\":1}\n", NULL };

    assert_open_fails(&(Script) { silence, FALSE }, NO_TIME_US, VMM_ERROR_BUSY);
    assert_open_fails(&(Script) { silence, TRUE }, LONG_US, VMM_ERROR_LOST);
    assert_open_fails(&(Script) { human, FALSE }, LONG_US, VMM_ERROR_PROTOCOL);
    assert_open_fails(&(Script) { half, FALSE }, NO_TIME_US, VMM_ERROR_PROTOCOL);
    assert_open_fails(&(Script) { other_json, FALSE }, LONG_US, VMM_ERROR_PROTOCOL);
}

static void
test_bad_answers(void)
{
    assert_status_fails("{\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"},\"id\":@}\n", FALSE, LONG_US,
                        VMM_ERROR_PROTOCOL);
    assert_status_fails("{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"no\"},\"id\":@}\n", FALSE, LONG_US,
                        VMM_ERROR_UNSUPPORTED);
    assert_status_fails("{\"error\":7,\"id\":@}\n", FALSE, LONG_US, VMM_ERROR_PROTOCOL);
    assert_status_fails("{\"return\":[1,2],\"id\":@}\n", FALSE, LONG_US, VMM_ERROR_PROTOCOL);
    assert_status_fails("{\"return\":{\"status\":1,\"running\":\"yes\"},\"id\":@}\n", FALSE, LONG_US,
                        VMM_ERROR_PROTOCOL);
    assert_status_fails("\x80\xff garbage\n", FALSE, LONG_US, VMM_ERROR_PROTOCOL);
    assert_status_fails("[]\n", FALSE, LONG_US, VMM_ERROR_PROTOCOL);
    assert_status_fails("{\"return\":{\"status\"", TRUE, LONG_US, VMM_ERROR_LOST);
    assert_status_fails("", TRUE, LONG_US, VMM_ERROR_LOST);
    assert_status_fails("", FALSE, SHORT_US, VMM_ERROR_UNREACHABLE);
    assert_status_fails("{\"return\":{},\"id\":@, \"slow\":", FALSE, SHORT_US, VMM_ERROR_UNREACHABLE);
}

static void
test_oversized(void)
{
    g_autofree char *nested = g_strnfill(100000, '[');
    g_autofree char *deep = g_strconcat("{\"return\":", nested, "\n", NULL);
    g_autofree char *endless = g_strnfill(17 * 1024 * 1024, ' ');

    assert_status_fails(deep, FALSE, LONG_US, VMM_ERROR_PROTOCOL);
    assert_status_fails(endless, FALSE, LONG_US, VMM_ERROR_PROTOCOL);
}

/* After an answer that made no sense, the next one cannot be trusted either. */
static void
test_broken_stays_broken(void)
{
    const char *says[] = {
        GREETING, "{\"return\":{},\"id\":@}\r\n", "nonsense\n",
        "{\"return\":{\"status\":\"running\",\"running\":true},\"id\":@}\n", NULL,
    };
    Script script = { says, FALSE };
    g_autoptr(FakePeer) peer = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(VmmMonitor) monitor = open_monitor(&script, &peer, LONG_US, &error);
    gboolean running;

    g_assert_false(vmm_monitor_run_state(monitor, &running, NULL, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL);
    g_clear_error(&error);
    g_assert_false(vmm_monitor_run_state(monitor, &running, NULL, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_LOST);
}

/* Events tell when the guest was resumed; an old RESUME says nothing of a new STOP. */
static void
test_last_resume(void)
{
#define EVENT(name, us) "{\"timestamp\": {\"seconds\": 17, \"microseconds\": " us "}, \"event\": \"" name "\"}\r\n"
#define STATUS "{\"return\":{\"status\":\"running\",\"running\":true},\"id\":@}\r\n"
    const char *says[] = {
        GREETING, "{\"return\":{},\"id\":@}\r\n", STATUS,
        EVENT("STOP", "100") EVENT("OTHER", "150") EVENT("RESUME", "1350") STATUS,
        EVENT("STOP", "2000") STATUS, EVENT("RESUME", "2600") STATUS, NULL
    };
    static const gint64 expected[] = { -1, 17001350, -1, 17002600 };
    Script script = { says, FALSE };
    g_autoptr(FakePeer) peer = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(VmmMonitor) monitor = open_monitor(&script, &peer, LONG_US, &error);

    g_assert_no_error(error);
    for (gsize i = 0; i < G_N_ELEMENTS(expected); i++) {
        gboolean running, told;
        gint64 us;

        g_assert_true(vmm_monitor_run_state(monitor, &running, NULL, &error));
        told = vmm_monitor_last_resume(monitor, &us);
        g_assert_cmpint(told, ==, expected[i] >= 0);
        if (told)
            g_assert_cmpint(us, ==, expected[i]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmm/qmp/status", test_status);
    g_test_add_func("/vmm/qmp/last-resume", test_last_resume);
    g_test_add_func("/vmm/qmp/no-greeting", test_no_greeting);
    g_test_add_func("/vmm/qmp/bad-answers", test_bad_answers);
    g_test_add_func("/vmm/qmp/oversized", test_oversized);
    g_test_add_func("/vmm/qmp/broken-stays-broken", test_broken_stays_broken);
    return g_test_run();
}
