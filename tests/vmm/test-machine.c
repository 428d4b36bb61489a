/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <string.h>

#include "vmm/backend.h"

/* A machine that notes what is done to it. */
typedef struct {
    GString *log;
    gboolean fails_to_pause, fails_to_resume;
} Fake;

static void
fake_close(gpointer self)
{
    g_string_append(((Fake *)self)->log, " close");
}

static gboolean
fake_is_running(gpointer self, gboolean *running, char **state, GError **error)
{
    *running = TRUE;
    return TRUE;
}

static gboolean
fake_read(gpointer self, const VmmExtent *extents, gsize n_extents, GError **error)
{
    for (gsize i = 0; i < n_extents; i++)
        memset(extents[i].buffer, 'r', extents[i].length);
    return TRUE;
}

static gboolean
fake_pause(gpointer self, GArray *vcpus, GError **error)
{
    Fake *fake = self;
    VmmVcpu vcpu = { .index = 1, .rip = 99 };

    g_string_append(fake->log, " pause");
    if (fake->fails_to_pause) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_BUSY, "no");
        return FALSE;
    }
    g_array_append_val(vcpus, vcpu);
    return TRUE;
}

static gboolean
fake_write(gpointer self, const VmmChunk *chunks, gsize n_chunks, GError **error)
{
    for (gsize i = 0; i < n_chunks; i++)
        g_string_append_printf(((Fake *)self)->log, " write:%" G_GSIZE_FORMAT, chunks[i].length);
    return TRUE;
}

static gboolean
fake_resume(gpointer self, guint64 *stood_ns, GError **error)
{
    Fake *fake = self;

    g_string_append(fake->log, " resume");
    if (fake->fails_to_resume) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_LOST, "cannot resume");
        return FALSE;
    }
    if (stood_ns != NULL)
        *stood_ns = 5;
    return TRUE;
}

static const VmmBackend fake_backend = {
    .kind = "fake", .close = fake_close, .is_running = fake_is_running, .read = fake_read,
    .pause = fake_pause, .write = fake_write, .resume = fake_resume,
};
static const VmmBackend reading_backend = {
    .kind = "image", .close = fake_close, .is_running = fake_is_running, .read = fake_read,
};

typedef struct {
    Fake fake;
    VmmMachine *machine;
} Fixture;

static VmmMachine *
make_machine(Fake *fake, const VmmBackend *ops)
{
    const VmmRange ranges[] = {
        { { 0x1000 }, 0x1000 }, { { 0x2000 }, 0x800 }, { { 0x10000 }, 0x1000 },
        { { G_MAXUINT64 - 0xfff }, 0x1000 },
    };
    VmmBackendInstance instance = { .ops = ops, .self = fake, .name = g_strdup("fake"), .n_vcpus = 2 };

    instance.ranges = g_array_new(FALSE, FALSE, sizeof(VmmRange));
    g_array_append_vals(instance.ranges, ranges, G_N_ELEMENTS(ranges));
    return vmm_machine_new(&instance);
}

static void
set_up(Fixture *fixture, gconstpointer ops)
{
    fixture->fake = (Fake) { .log = g_string_new(NULL) };
    fixture->machine = make_machine(&fixture->fake, ops);
}

static void
tear_down(Fixture *fixture, gconstpointer ops)
{
    vmm_machine_free(fixture->machine);
    g_assert_true(g_str_has_suffix(fixture->fake.log->str, " close"));
    g_string_free(fixture->fake.log, TRUE);
}

static gboolean
can_read(Fixture *fixture, guint64 pa, gsize length)
{
    g_autofree char *buffer = g_malloc0(MIN(length, 0x10000) + 1);
    g_autoptr(GError) error = NULL;
    gboolean done = vmm_read(vmm_machine_reader(fixture->machine), guest_pa(pa), buffer, length, &error);

    if (!done)
        g_assert_error(error, VMM_ERROR, VMM_ERROR_BAD_ADDRESS);
    return done;
}

static void
test_addresses(Fixture *fixture, gconstpointer ops)
{
    g_assert_true(can_read(fixture, 0x1000, 0x1000));
    g_assert_true(can_read(fixture, 0x1fff, 1));
    g_assert_true(can_read(fixture, 0x1ff0, 0x20));         /* across two ranges that touch */
    g_assert_true(can_read(fixture, 0x1000, 0x1800));
    g_assert_true(can_read(fixture, 0xdead0000, 0));
    g_assert_true(can_read(fixture, G_MAXUINT64, 1));
    g_assert_false(can_read(fixture, 0x1000, 0x1801));
    g_assert_false(can_read(fixture, 0xfff, 1));
    g_assert_false(can_read(fixture, 0xfff, 2));
    g_assert_false(can_read(fixture, 0x2800, 1));
    g_assert_false(can_read(fixture, 0xffff, 2));
    g_assert_false(can_read(fixture, 0x10fff, 2));
    g_assert_false(can_read(fixture, G_MAXUINT64, 2));      /* past the end of all addresses */
    g_assert_false(can_read(fixture, 0x1000, G_MAXSIZE));
    g_assert_false(can_read(fixture, G_MAXUINT64 - 0xfff, G_MAXSIZE));
}

static void
test_extents(Fixture *fixture, gconstpointer ops)
{
    char a[4] = "", b[4] = "";
    VmmExtent extents[] = { { { 0x1000 }, a, 3 }, { { 0x3000 }, b, 3 } };
    g_autoptr(GError) error = NULL;
    const VmmReader *reader = vmm_machine_reader(fixture->machine);

    g_assert_false(vmm_read_extents(reader, extents, 2, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_BAD_ADDRESS);
    g_assert_cmpstr(a, ==, "");
    g_clear_error(&error);
    extents[1].pa = guest_pa(0x2000);
    g_assert_true(vmm_read_extents(reader, extents, 2, &error));
    g_assert_cmpstr(b, ==, "rrr");
}

static void
test_pause(Fixture *fixture, gconstpointer ops)
{
    g_autoptr(GError) error = NULL;
    VmmPause *pause = vmm_pause_begin(fixture->machine, &error);
    guint64 stood_ns = 0;
    guint n_vcpus;

    g_assert_no_error(error);
    g_assert_cmpuint(vmm_pause_vcpus(pause, &n_vcpus)->rip, ==, 99);
    g_assert_cmpuint(n_vcpus, ==, 1);
    g_assert_null(vmm_pause_begin(fixture->machine, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_BUSY);
    g_clear_error(&error);
    g_assert_true(vmm_pause_write(pause, &(VmmChunk) { guest_pa(0x1000), "abc", 3 }, 1, &error));
    g_assert_false(vmm_pause_write(pause, &(VmmChunk) { guest_pa(0x27fe), "abc", 3 }, 1, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_BAD_ADDRESS);
    g_clear_error(&error);
    g_assert_true(vmm_pause_end(pause, &stood_ns, &error));
    g_assert_cmpuint(stood_ns, ==, 5);
    g_assert_cmpstr(fixture->fake.log->str, ==, " pause write:3 resume");
}

static void
test_pause_resumes_by_itself(Fixture *fixture, gconstpointer ops)
{
    {
        g_autoptr(VmmPause) pause = vmm_pause_begin(fixture->machine, NULL);

        g_assert_nonnull(pause);
    }
    g_assert_cmpstr(fixture->fake.log->str, ==, " pause resume");
    g_assert_nonnull(vmm_pause_begin(fixture->machine, NULL));
    vmm_machine_free(fixture->machine);
    g_assert_cmpstr(fixture->fake.log->str, ==, " pause resume pause resume close");
    fixture->machine = make_machine(&fixture->fake, ops);
}

static void
test_pause_fails(Fixture *fixture, gconstpointer ops)
{
    g_autoptr(GError) error = NULL;

    fixture->fake.fails_to_pause = TRUE;
    g_assert_null(vmm_pause_begin(fixture->machine, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_BUSY);
    g_assert_cmpstr(fixture->fake.log->str, ==, " pause");

    fixture->fake.fails_to_pause = FALSE;
    fixture->fake.fails_to_resume = TRUE;
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*cannot resume*");
    vmm_pause_free(vmm_pause_begin(fixture->machine, NULL));
    g_test_assert_expected_messages();
}

static gboolean got_signal;

static void
note_signal(int number)
{
    got_signal = TRUE;
}

/* Ctrl-C waits until the guest runs again. */
static void
test_signals(Fixture *fixture, gconstpointer ops)
{
    struct sigaction note = { .sa_handler = note_signal }, before;
    VmmPause *pause = NULL;

    got_signal = FALSE;
    sigaction(SIGINT, &note, &before);
    pause = vmm_pause_begin(fixture->machine, NULL);
    raise(SIGINT);
    g_assert_false(got_signal);
    vmm_pause_free(pause);
    g_assert_true(got_signal);

    got_signal = FALSE;
    fixture->fake.fails_to_pause = TRUE;
    g_assert_null(vmm_pause_begin(fixture->machine, NULL));
    raise(SIGINT);
    g_assert_true(got_signal);
    sigaction(SIGINT, &before, NULL);
}

static void
test_reading_kind(Fixture *fixture, gconstpointer ops)
{
    const VmmReader *reader = vmm_machine_reader(fixture->machine);
    g_autoptr(GError) error = NULL;
    VmmVcpu vcpu;

    g_assert_true(can_read(fixture, 0x1000, 1));
    g_assert_null(vmm_pause_begin(fixture->machine, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    g_assert_false(vmm_reader_peek_vcpu(reader, 0, &vcpu, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED);
}

static void
assert_open_fails(const char *guest, int code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(vmm_machine_open(guest, NULL, &error));
    g_assert_error(error, VMM_ERROR, code);
}

static void
test_open(void)
{
    g_autofree char *fill = g_strnfill(200, 'x');
    g_autofree char *too_long = g_strconcat("qmp:/", fill, NULL);

    assert_open_fails("", VMM_ERROR_USAGE);
    assert_open_fails("qmp:", VMM_ERROR_USAGE);
    assert_open_fails(too_long, VMM_ERROR_USAGE);
    assert_open_fails("qmp:/nonexistent/socket", VMM_ERROR_NOT_FOUND);
    assert_open_fails("qmp:/dev/null", VMM_ERROR_UNREACHABLE);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func, ops) g_test_add("/vmm/machine/" name, Fixture, ops, set_up, func, tear_down)
    ADD("addresses", test_addresses, &fake_backend);
    ADD("extents", test_extents, &fake_backend);
    ADD("pause", test_pause, &fake_backend);
    ADD("pause-resumes-by-itself", test_pause_resumes_by_itself, &fake_backend);
    ADD("pause-fails", test_pause_fails, &fake_backend);
    ADD("signals", test_signals, &fake_backend);
    ADD("reading-kind", test_reading_kind, &reading_backend);
    g_test_add_func("/vmm/machine/open", test_open);
    return g_test_run();
}
