/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "tests/vmm/fake-peer.h"
#include "tests/vmm/fake-stub.h"
#include "vmm/gdb.h"

typedef struct {
    FakeStub *stub;
    VmmGdbFacts *facts;
    FakePeer *peer;
    VmmGdb *gdb;
    GArray *vcpus;
} Fixture;

static void
start(Fixture *fixture)
{
    int fd;

    fixture->peer = fake_peer_new(fake_stub_serve, fixture->stub, &fd);
    fixture->gdb = vmm_gdb_new(fd, fixture->facts);
    g_array_set_size(fixture->vcpus, 0);
}

static void
stop(Fixture *fixture)
{
    g_clear_pointer(&fixture->gdb, vmm_gdb_free);
    g_clear_pointer(&fixture->peer, fake_peer_free);
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->stub = g_new0(FakeStub, 1);
    fixture->stub->kind = GPOINTER_TO_INT(data);
    fixture->stub->n_vcpus = 3;
    fixture->facts = vmm_gdb_facts_new(3);
    fixture->vcpus = g_array_new(FALSE, FALSE, sizeof(VmmVcpu));
    start(fixture);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    stop(fixture);
    vmm_gdb_facts_free(fixture->facts);
    g_array_unref(fixture->vcpus);
    g_free(fixture->stub);
}

static void
begin(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    vmm_gdb_begin(fixture->gdb, fixture->vcpus, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(fixture->vcpus->len, ==, fixture->stub->n_vcpus);
    for (guint i = 0; i < fixture->vcpus->len; i++) {
        const VmmVcpu *vcpu = &g_array_index(fixture->vcpus, VmmVcpu, i);

        g_assert_cmpuint(vcpu->index, ==, i);
        g_assert_cmphex(vcpu->gpr[VMM_RAX], ==, fake_stub_register(i, 0));
        g_assert_cmphex(vcpu->gpr[VMM_R15], ==, fake_stub_register(i, 15));
        g_assert_cmphex(vcpu->rip, ==, fake_stub_register(i, 16));
        g_assert_cmphex(vcpu->cs, ==, fake_stub_register(i, 18));
        g_assert_cmphex(vcpu->efer, ==, fake_stub_register(i, 32));
    }
}

static void
detach(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    vmm_gdb_detach(fixture->gdb, &error);
    g_assert_no_error(error);
    stop(fixture);
    g_assert_true(fixture->stub->detached);
    g_assert_false(fixture->stub->physical);
    g_assert_cmpuint(fixture->stub->n_after_detach, ==, 0);
}

static void
test_session(Fixture *fixture, gconstpointer data)
{
    begin(fixture);
    detach(fixture);
}

/* The description is fetched once; a second connection gets by without, also when vCPUs have come or gone. */
static void
test_sessions(Fixture *fixture, gconstpointer data)
{
    const guint n_vcpus[] = { 3, 3, 5, 2, 300 };
    guint n_documents = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(n_vcpus); i++) {
        if (i > 0)
            start(fixture);
        fixture->stub->n_vcpus = n_vcpus[i];
        begin(fixture);
        detach(fixture);
        if (i == 0)
            n_documents = fixture->stub->n_documents;
        g_assert_cmpuint(n_documents, >, 0);
        g_assert_cmpuint(fixture->stub->n_documents, ==, n_documents);
        fixture->stub->detached = FALSE;
    }
}

static void
test_write(Fixture *fixture, gconstpointer data)
{
    g_autofree guint8 *bytes = g_malloc(60000);
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < 60000; i++)
        bytes[i] = i * 31 + (i >> 8);
    begin(fixture);
    vmm_gdb_write(fixture->gdb, &(VmmChunk) { guest_pa(5000), bytes, 60000 }, 1, &error);
    g_assert_no_error(error);
    vmm_gdb_write(fixture->gdb, &(VmmChunk) { guest_pa(1), "x", 1 }, 1, &error);
    g_assert_no_error(error);
    vmm_gdb_write(fixture->gdb, &(VmmChunk) { guest_pa(1), bytes, 0 }, 1, &error);
    g_assert_no_error(error);
    detach(fixture);
    g_assert_cmpmem(fixture->stub->memory + 5000, 60000, bytes, 60000);
    g_assert_cmpuint(fixture->stub->memory[1], ==, 'x');
    g_assert_cmpuint(fixture->stub->memory[4999], ==, 0);
    g_assert_cmpuint(fixture->stub->n_writes, >, 60000 * 2 / FAKE_STUB_PACKET);
}

static void
test_write_is_refused(Fixture *fixture, gconstpointer data)
{
    int code = fixture->stub->kind == FAKE_STUB_VIRTUAL_ONLY ? VMM_ERROR_UNSUPPORTED : VMM_ERROR_PROTOCOL;
    g_autoptr(GError) error = NULL;

    begin(fixture);
    g_assert_false(vmm_gdb_write(fixture->gdb, &(VmmChunk) { guest_pa(0), "abc", 3 }, 1, &error));
    g_assert_error(error, VMM_ERROR, code);
    detach(fixture);
    g_assert_cmpuint(fixture->stub->memory[0], ==, 0);
}

static void
test_begin_fails(Fixture *fixture, gconstpointer data)
{
    int code = fixture->stub->kind == FAKE_STUB_HANGS_UP ? VMM_ERROR_LOST
             : fixture->stub->kind == FAKE_STUB_NO_RAX ? VMM_ERROR_UNSUPPORTED : VMM_ERROR_PROTOCOL;
    g_autoptr(GError) error = NULL;

    g_assert_false(vmm_gdb_begin(fixture->gdb, fixture->vcpus, &error));
    g_assert_error(error, VMM_ERROR, code);
}

static void
test_detach_fails(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    begin(fixture);
    g_assert_false(vmm_gdb_detach(fixture->gdb, &error));
    g_assert_nonnull(error);
}

static void
test_detach_asks_first(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    fixture->stub->status = "VM status: paused\r\n";
    begin(fixture);
    detach(fixture);
    fixture->stub->detached = FALSE;

    start(fixture);
    fixture->stub->status = "VM status: paused (postmigrate)\r\n";
    begin(fixture);
    g_assert_false(vmm_gdb_detach(fixture->gdb, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_LOST);
    stop(fixture);
    g_assert_false(fixture->stub->detached);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, kind, func) \
    g_test_add("/vmm/gdb/" name, Fixture, GINT_TO_POINTER(FAKE_STUB_##kind), set_up, func, tear_down)
    ADD("session", GOOD, test_session);
    ADD("session/says-stopped", SAYS_STOPPED, test_session);
    ADD("sessions", GOOD, test_sessions);
    ADD("write", GOOD, test_write);
    ADD("write/virtual-only", VIRTUAL_ONLY, test_write_is_refused);
    ADD("write/fails", WRITE_FAILS, test_write_is_refused);
    ADD("begin/wrong-checksum", WRONG_CHECKSUM, test_begin_fails);
    ADD("begin/not-a-stub", NOT_A_STUB, test_begin_fails);
    ADD("begin/hangs-up", HANGS_UP, test_begin_fails);
    ADD("begin/short-registers", SHORT_REGISTERS, test_begin_fails);
    ADD("begin/bad-registers", BAD_REGISTERS, test_begin_fails);
    ADD("begin/no-rax", NO_RAX, test_begin_fails);
    ADD("begin/endless-document", ENDLESS_DOCUMENT, test_begin_fails);
    ADD("begin/endless-threads", ENDLESS_THREADS, test_begin_fails);
    ADD("detach/asks-first", GOOD, test_detach_asks_first);
    ADD("detach/refused", REFUSES_DETACH, test_detach_fails);
    ADD("detach/dies", DIES_IN_DETACH, test_detach_fails);
    return g_test_run();
}
