/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "tests/vmm/fake-stub.h"
#include "vmm/json.h"
#include "vmm/qemu.h"

#define RAM_BYTES 0x4000

/* A QEMU that consists of a monitor, 16 KiB of RAM in this process, and a gdb stub in a thread. */
typedef struct {
    const char *state;              /* run state when no gdb client is connected */
    const char *migration;          /* or NULL */
    const char *target;
    gboolean has_foreign_stub, is_stopped_late, is_migrated_late, refuses_stub, refuses_cont, memory_in_pieces;
    const char *confidential;       /* the type of what keeps its memory from the host, if anything does */
    FakeStub stub;

    guint8 *ram;
    char *stub_path;
    int listener;
    GThread *stub_thread;
    gint was_connected;             /* atomic */
    gboolean was_continued;
    guint n_nmis;
    guint n_stubs_opened, n_confirmed;
} FakeQemu;

static gpointer
serve_stub(gpointer data)
{
    FakeQemu *qemu = data;
    int fd = accept(qemu->listener, NULL, NULL);

    if (fd >= 0) {
        g_atomic_int_set(&qemu->was_connected, TRUE);
        fake_stub_serve(fd, &qemu->stub);
        close(fd);
    }
    return NULL;
}

static char *
open_stub(FakeQemu *qemu, const char *line)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_auto(GStrv) words = g_strsplit_set(line, ":,", 3);

    if (qemu->refuses_stub)
        return g_strdup("Could not open gdbserver on device '...'\r\n");
    g_assert_null(qemu->stub_thread);
    g_assert_cmpstr(words[0], ==, "gdbserver \"unix");
    g_assert_cmpstr(words[2], ==, "server=on,wait=off\"");
    g_free(qemu->stub_path);
    qemu->stub_path = g_strdup(words[1]);
    strcpy(address.sun_path, words[1]);
    qemu->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(qemu->listener, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(qemu->listener, 1), ==, 0);
    g_atomic_int_set(&qemu->was_connected, FALSE);
    qemu->was_continued = FALSE;
    qemu->stub.detached = FALSE;
    qemu->stub_thread = g_thread_new("stub", serve_stub, qemu);
    qemu->n_stubs_opened++;
    if (qemu->is_stopped_late)
        qemu->state = "paused";
    if (qemu->is_migrated_late)
        qemu->migration = "active";
    return g_strdup("Waiting for gdb connection on device '...'\r\n");
}

static char *
close_stub(FakeQemu *qemu)
{
    g_assert_nonnull(qemu->stub_thread);
    shutdown(qemu->listener, SHUT_RDWR);
    g_thread_join(g_steal_pointer(&qemu->stub_thread));
    close(qemu->listener);
    return g_strdup("Disabled gdbserver\r\n");
}

static gboolean
is_stopped_by_stub(FakeQemu *qemu)
{
    return g_atomic_int_get(&qemu->was_connected) && !qemu->stub.detached && !qemu->was_continued;
}

static char *
describe_memory(void)
{
    return g_strdup("FlatView #0\r\n AS \"memory\", root: system\r\n Root memory region: system\r\n"
                    "  0000000000000000-0000000000001fff (prio 0, ram): pc.ram\r\n"
                    "  0000000000002000-0000000000002fff (prio 0, rom): pc.ram @0000000000002000\r\n"
                    "  0000000000003000-0000000000003fff (prio 0, ram): pc.ram @0000000000003000\r\n\r\n");
}

static char *
run_hmp(FakeQemu *qemu, const char *line)
{
    if (strcmp(line, "info mtree -f") == 0)
        return describe_memory();
    if (g_str_has_prefix(line, "gpa2hva ")) {
        guint64 pa = g_ascii_strtoull(line + strlen("gpa2hva "), NULL, 16);
        guint64 moved = qemu->memory_in_pieces && pa == 0x1fff ? 0x1000 : 0;

        return g_strdup_printf("Host virtual address for 0x%lx (pc.ram) is %p\r\n", (unsigned long)pa,
                               qemu->ram + pa + moved);
    }
    if (strcmp(line, "gdbserver none") == 0)
        return close_stub(qemu);
    return g_str_has_prefix(line, "gdbserver ") ? open_stub(qemu, line) : g_strdup("unknown command\r\n");
}

static char *
get_property(const FakeQemu *qemu, JsonObject *arguments)
{
    const char *path = vmm_json_string(arguments, "path"), *property = vmm_json_string(arguments, "property");

    if (strcmp(path, "/machine") == 0 && strcmp(property, "confidential-guest-support") == 0)
        return g_strdup(qemu->confidential != NULL ? "\"/objects/kept\"" : "\"\"");
    if (strcmp(path, "/objects/kept") == 0 && strcmp(property, "type") == 0 && qemu->confidential != NULL)
        return g_strdup_printf("\"%s\"", qemu->confidential);
    return NULL;
}

static char *
run_command(FakeQemu *qemu, const char *command, JsonObject *arguments)
{
    if (strcmp(command, "qom-get") == 0)
        return get_property(qemu, arguments);
    if (strcmp(command, "query-cpus-fast") == 0)
        return g_strdup_printf("[{\"cpu-index\":0,\"target\":\"%s\"},{\"cpu-index\":1,\"target\":\"%s\"}]",
                               qemu->target, qemu->target);
    if (strcmp(command, "query-migrate") == 0)
        return qemu->migration != NULL ? g_strdup_printf("{\"status\":\"%s\"}", qemu->migration) : g_strdup("{}");
    if (strcmp(command, "query-chardev") == 0)
        return g_strdup_printf("[{\"label\":\"serial0\"}%s]", qemu->has_foreign_stub || qemu->stub_thread != NULL
                               ? ",{\"label\":\"gdb\",\"filename\":\"tcp::1234\"}" : "");
    if (strcmp(command, "query-status") == 0) {
        const char *state = is_stopped_by_stub(qemu) && qemu->stub.status == NULL ? "paused" : qemu->state;

        return g_strdup_printf("{\"status\":\"%s\",\"running\":%s}", state,
                               strcmp(state, "running") == 0 ? "true" : "false");
    }
    if (strcmp(command, "inject-nmi") == 0 && is_stopped_by_stub(qemu)) {
        qemu->n_nmis++;
        return g_strdup("{}");
    }
    if (strcmp(command, "cont") == 0 && !qemu->refuses_cont) {
        qemu->was_continued = TRUE;
        return g_strdup("{}");
    }
    return NULL;
}

static JsonObject *
fake_exchange(gpointer self, JsonObject *request, gint64 timeout_us, GError **error)
{
    const char *command = vmm_json_string(request, "execute");
    g_autofree char *value = NULL;
    g_autofree char *reply = NULL;

    if (strcmp(command, "human-monitor-command") == 0) {
        g_autofree char *text = run_hmp(self, vmm_json_string(vmm_json_object(request, "arguments"), "command-line"));
        JsonObject *object = json_object_new();

        json_object_set_string_member(object, "return", text);
        return object;
    }
    value = run_command(self, command, vmm_json_object(request, "arguments"));
    reply = value != NULL ? g_strdup_printf("{\"return\":%s}", value) : g_strdup("{\"error\":{\"desc\":\"refused\"}}");
    return vmm_json_parse(reply, error);
}

static gboolean
fake_confirm_running(gpointer self, GError **error)
{
    ((FakeQemu *)self)->n_confirmed++;
    return TRUE;
}

static void
fake_close(gpointer self)
{
}

static const VmmMonitorOps fake_ops = {
    .exchange = fake_exchange,
    .confirm_running = fake_confirm_running,
    .close = fake_close,
};

static void
rescue_nothing(gpointer data, const VmmGuardOrder *order, const VmmWill *will)
{
}

typedef struct {
    FakeQemu *qemu;
    char *directory;
    VmmMachine *machine;
} Fixture;

static VmmMachine *
open_machine(FakeQemu *qemu, const char *directory, GError **error)
{
    VmmBackendInstance instance = { 0 };
    VmmQemuParts parts = {
        .monitor = vmm_monitor_new(&fake_ops, qemu, G_USEC_PER_SEC),
        .guard = vmm_guard_new(rescue_nothing, NULL, -1, NULL),
        .pid = getpid(),
        .stub_directory = directory,
        .name = "fake",
    };

    return vmm_qemu_open(&parts, &instance, error) ? vmm_machine_new(&instance) : NULL;
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    FakeQemu *qemu = g_new0(FakeQemu, 1);

    qemu->state = "running";
    qemu->target = "x86_64";
    qemu->stub.n_vcpus = 2;
    qemu->ram = g_malloc(RAM_BYTES);
    for (gsize i = 0; i < RAM_BYTES; i++)
        qemu->ram[i] = i >> 4;
    fixture->qemu = qemu;
    fixture->directory = g_dir_make_tmp("vmm-qemu-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->machine = open_machine(qemu, fixture->directory, &error);
    g_assert_no_error(error);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    g_clear_pointer(&fixture->machine, vmm_machine_free);
    g_assert_null(fixture->qemu->stub_thread);
    g_assert_cmpint(g_rmdir(fixture->directory), ==, 0);
    g_free(fixture->directory);
    g_free(fixture->qemu->stub_path);
    g_free(fixture->qemu->ram);
    g_free(fixture->qemu);
}

static void
test_memory(Fixture *fixture, gconstpointer data)
{
    const VmmReader *reader = vmm_machine_reader(fixture->machine);
    g_autoptr(GError) error = NULL;
    guint8 got[0x1000];
    guint n_ranges;
    const VmmRange *ranges = vmm_reader_ranges(reader, &n_ranges);

    g_assert_cmpuint(n_ranges, ==, 2);
    g_assert_cmphex(ranges[1].start.value, ==, 0x3000);
    g_assert_cmpuint(vmm_reader_n_vcpus(reader), ==, 2);
    g_assert_true(vmm_read(reader, guest_pa(0x3000), got, sizeof got, &error));
    g_assert_cmpmem(got, sizeof got, fixture->qemu->ram + 0x3000, sizeof got);
    g_assert_false(vmm_read(reader, guest_pa(0x1fff), got, 2, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_BAD_ADDRESS);
}

static void
pause_and_write(FakeQemu *qemu, VmmMachine *machine)
{
    g_autoptr(GError) error = NULL;
    VmmPause *pause = vmm_pause_begin(machine, &error);
    guint64 stood_ns = 0;
    guint n_vcpus;

    g_assert_no_error(error);
    g_assert_cmphex(vmm_pause_vcpus(pause, &n_vcpus)[1].rip, ==, fake_stub_register(1, 16));
    g_assert_cmpuint(n_vcpus, ==, 2);
    vmm_pause_write(pause, &(VmmChunk) { guest_pa(0x1ffe), "ab", 2 }, 1, &error);
    g_assert_no_error(error);
    g_assert_true(is_stopped_by_stub(qemu));
    vmm_pause_end(pause, &stood_ns, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(stood_ns, >, 0);
    g_assert_cmpmem(qemu->stub.memory + 0x1ffe, 2, "ab", 2);
    g_assert_true(qemu->stub.detached);
    g_assert_false(qemu->was_continued);
    g_assert_null(qemu->stub_thread);
    g_assert_false(g_file_test(qemu->stub_path, G_FILE_TEST_EXISTS));
}

static void
test_pause(Fixture *fixture, gconstpointer data)
{
    for (guint i = 1; i <= 3; i++) {
        pause_and_write(fixture->qemu, fixture->machine);
        g_assert_cmpuint(fixture->qemu->n_stubs_opened, ==, i);
        g_assert_cmpuint(fixture->qemu->n_confirmed, ==, i);
    }
}

static void
test_nmi(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmmPause) pause = vmm_pause_begin(fixture->machine, &error);

    g_assert_no_error(error);
    g_assert_true(vmm_pause_inject_nmi(pause, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(fixture->qemu->n_nmis, ==, 1);
}

static void
test_private_directory(Fixture *fixture, gconstpointer data)
{
    g_autoptr(VmmMachine) machine = open_machine(fixture->qemu, NULL, NULL);
    g_autofree char *directory = NULL;

    pause_and_write(fixture->qemu, machine);
    directory = g_path_get_dirname(fixture->qemu->stub_path);
    g_assert_cmpstr(directory, !=, fixture->directory);
    g_assert_false(g_file_test(directory, G_FILE_TEST_EXISTS));
}

static void
assert_pause_fails(Fixture *fixture, int code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(vmm_pause_begin(fixture->machine, &error));
    g_assert_error(error, VMM_ERROR, code);
    g_assert_null(fixture->qemu->stub_thread);
}

/* Whoever stopped the guest, moves it or debugs it finds it as it was. */
static void
test_busy(Fixture *fixture, gconstpointer data)
{
    fixture->qemu->state = "paused";
    assert_pause_fails(fixture, VMM_ERROR_BUSY);
    fixture->qemu->state = "inmigrate";
    assert_pause_fails(fixture, VMM_ERROR_BUSY);
    fixture->qemu->state = "running";
    fixture->qemu->migration = "active";
    assert_pause_fails(fixture, VMM_ERROR_BUSY);
    fixture->qemu->migration = "a-word-of-some-later-version";
    assert_pause_fails(fixture, VMM_ERROR_BUSY);
    fixture->qemu->migration = "completed";
    fixture->qemu->has_foreign_stub = TRUE;
    assert_pause_fails(fixture, VMM_ERROR_BUSY);
    g_assert_cmpuint(fixture->qemu->n_stubs_opened, ==, 0);
    g_assert_false(fixture->qemu->was_continued);

    fixture->qemu->has_foreign_stub = FALSE;
    pause_and_write(fixture->qemu, fixture->machine);
}

static void
test_stopped_late(Fixture *fixture, gconstpointer data)
{
    fixture->qemu->is_stopped_late = TRUE;
    assert_pause_fails(fixture, VMM_ERROR_BUSY);
    g_assert_cmpuint(fixture->qemu->n_stubs_opened, ==, 1);
    g_assert_false(g_atomic_int_get(&fixture->qemu->was_connected));
    g_assert_false(fixture->qemu->was_continued);
}

static void
test_migrated_late(Fixture *fixture, gconstpointer data)
{
    fixture->qemu->is_migrated_late = TRUE;
    assert_pause_fails(fixture, VMM_ERROR_BUSY);
    g_assert_cmpuint(fixture->qemu->n_stubs_opened, ==, 1);
    g_assert_false(g_atomic_int_get(&fixture->qemu->was_connected));
}

/* Two of it would run. */
static void
test_moved(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    VmmPause *pause = vmm_pause_begin(fixture->machine, &error);

    g_assert_no_error(error);
    fixture->qemu->stub.status = "VM status: paused (postmigrate)\r\n";
    fixture->qemu->state = "postmigrate";
    g_assert_false(vmm_pause_end(pause, NULL, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_LOST);
    g_assert_false(fixture->qemu->stub.detached);
    g_assert_false(fixture->qemu->was_continued);
    g_assert_null(fixture->qemu->stub_thread);
}

static void
test_stub_is_refused(Fixture *fixture, gconstpointer data)
{
    fixture->qemu->refuses_stub = TRUE;
    assert_pause_fails(fixture, VMM_ERROR_UNSUPPORTED);
    g_assert_false(fixture->qemu->was_continued);
}

/* A guest that was stopped by connecting runs again, whatever went wrong after that. */
static void
test_stub_misbehaves(Fixture *fixture, gconstpointer data)
{
    fixture->qemu->stub.kind = FAKE_STUB_WRONG_CHECKSUM;
    assert_pause_fails(fixture, VMM_ERROR_PROTOCOL);
    g_assert_false(is_stopped_by_stub(fixture->qemu));

    fixture->qemu->stub.kind = FAKE_STUB_HANGS_UP;
    assert_pause_fails(fixture, VMM_ERROR_LOST);
    g_assert_true(fixture->qemu->was_continued);
    g_assert_false(is_stopped_by_stub(fixture->qemu));

    fixture->qemu->stub.kind = FAKE_STUB_GOOD;
    pause_and_write(fixture->qemu, fixture->machine);
}

static void
test_detach_is_refused(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    VmmPause *pause = NULL;

    fixture->qemu->stub.kind = FAKE_STUB_REFUSES_DETACH;
    pause = vmm_pause_begin(fixture->machine, &error);
    g_assert_no_error(error);
    g_assert_true(vmm_pause_end(pause, NULL, &error));
    g_assert_true(fixture->qemu->was_continued);
    g_assert_null(fixture->qemu->stub_thread);

    fixture->qemu->refuses_cont = TRUE;
    pause = vmm_pause_begin(fixture->machine, &error);
    g_assert_no_error(error);
    g_assert_false(vmm_pause_end(pause, NULL, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_LOST);
}

static void
test_open_fails(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    fixture->qemu->target = "aarch64";
    g_assert_null(open_machine(fixture->qemu, NULL, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    fixture->qemu->target = "x86_64";
    fixture->qemu->confidential = "sev-snp-guest";
    g_assert_null(open_machine(fixture->qemu, NULL, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "confidential one (sev-snp-guest)"));
    g_clear_error(&error);
    fixture->qemu->confidential = NULL;
    fixture->qemu->memory_in_pieces = TRUE;
    g_assert_null(open_machine(fixture->qemu, NULL, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/vmm/qemu/" name, Fixture, NULL, set_up, func, tear_down)
    ADD("memory", test_memory);
    ADD("pause", test_pause);
    ADD("nmi", test_nmi);
    ADD("private-directory", test_private_directory);
    ADD("busy", test_busy);
    ADD("stopped-late", test_stopped_late);
    ADD("migrated-late", test_migrated_late);
    ADD("moved", test_moved);
    ADD("stub-is-refused", test_stub_is_refused);
    ADD("stub-misbehaves", test_stub_misbehaves);
    ADD("detach-is-refused", test_detach_is_refused);
    ADD("open-fails", test_open_fails);
    return g_test_run();
}
