/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/vmm/fake-stub.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/vmm/fake-peer.h"
#include "vmm/gdb-wire.h"

static const char *const names[] = {
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip",
    "eflags", "cs", "ss", "ds", "es", "fs", "gs", "fs_base", "gs_base", "k_gs_base", "cr0", "cr2", "cr3", "cr4", "cr8",
    "efer",
};

/* eflags and the selectors */
static gsize
register_bytes(guint number)
{
    return number >= 17 && number <= 23 ? 4 : 8;
}

guint
fake_stub_register(guint vcpu, guint number)
{
    return (vcpu + 1) * 0x100 + number;
}

static char *
describe_core(const FakeStub *stub)
{
    g_autofree char *filler = g_strnfill(4000, '*');
    GString *xml = g_string_new("<?xml version=\"1.0\"?><feature name=\"core\">");

    g_string_append_printf(xml, "<!-- %s -->", filler);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *name = i == 0 && stub->kind == FAKE_STUB_NO_RAX ? "eax" : names[i];

        g_string_append_printf(xml, "<reg name=\"%s\" bitsize=\"%u\"/>", name, (guint)register_bytes(i) * 8);
    }
    g_string_append(xml, "</feature>");
    return g_string_free(xml, FALSE);
}

static void
answer_document(FakeStub *stub, const char *request, GString *answer)
{
    g_auto(GStrv) words = g_strsplit_set(request, ":,", -1);
    gboolean is_root = g_strcmp0(words[3], "target.xml") == 0;
    g_autofree char *document = is_root ? g_strdup("<target><xi:include href=\"core.xml\"/></target>")
                                        : describe_core(stub);
    gsize offset = g_ascii_strtoull(words[4], NULL, 16), length = g_ascii_strtoull(words[5], NULL, 16);

    stub->n_documents++;
    if (stub->kind == FAKE_STUB_ENDLESS_DOCUMENT && !is_root) {
        g_autofree char *piece = g_strnfill(length, ' ');

        g_string_printf(answer, "m%s", piece);
    } else if (offset > strlen(document)) {
        g_string_assign(answer, "E00");
    } else {
        gsize left = strlen(document) - offset;

        g_string_assign(answer, left > length ? "m" : "l");
        g_string_append_len(answer, document + offset, MIN(left, length));
    }
}

static void
answer_registers(const FakeStub *stub, guint vcpu, GString *answer)
{
    g_string_truncate(answer, 0);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        guint64 value = GUINT64_TO_LE((guint64)fake_stub_register(vcpu, i));

        vmm_gdb_append_hex(answer, (const guint8 *)&value, register_bytes(i));
    }
    if (stub->kind == FAKE_STUB_SHORT_REGISTERS)
        g_string_truncate(answer, 64);
    if (stub->kind == FAKE_STUB_BAD_REGISTERS)
        answer->str[3] = 'q';
}

static void
answer_write(FakeStub *stub, const char *request, GString *answer)
{
    unsigned long address, length;
    int digits_at = 0;
    g_autoptr(GByteArray) bytes = NULL;

    stub->n_writes++;
    g_assert_cmpint(sscanf(request, "M%lx,%lx:%n", &address, &length, &digits_at), ==, 2);
    g_assert_cmpuint(strlen(request) + 4, <=, FAKE_STUB_PACKET);
    bytes = vmm_gdb_parse_hex(request + digits_at, strlen(request + digits_at));
    g_assert_nonnull(bytes);
    g_assert_cmpuint(bytes->len, ==, length);
    g_assert_cmpuint(address + length, <=, FAKE_STUB_MEMORY);
    g_assert_true(stub->physical);
    if (stub->kind == FAKE_STUB_WRITE_FAILS) {
        g_string_assign(answer, "E14");
        return;
    }
    memcpy(stub->memory + address, bytes->data, length);
    g_string_assign(answer, "OK");
}

typedef struct {
    guint selected, next_listed;
} Session;

static void
answer_threads(FakeStub *stub, Session *session, gboolean first, GString *answer)
{
    if (first)
        session->next_listed = 0;
    if (session->next_listed >= stub->n_vcpus && stub->kind != FAKE_STUB_ENDLESS_THREADS)
        g_string_assign(answer, "l");
    else
        g_string_printf(answer, "m%02x", ++session->next_listed);
}

static void
answer_mode(FakeStub *stub, const char *request, GString *answer)
{
    if (stub->kind == FAKE_STUB_VIRTUAL_ONLY)
        return;
    stub->physical = strcmp(request, "Qqemu.PhyMemMode:1") == 0;
    g_string_assign(answer, "OK");
}

static void
answer_detach(FakeStub *stub, GString *answer)
{
    stub->detached = stub->kind != FAKE_STUB_REFUSES_DETACH && stub->kind != FAKE_STUB_DIES_IN_DETACH;
    g_string_assign(answer, stub->detached ? "OK" : "E22");
}

/* Text comes before the answer, in as many packets as it takes. */
static void
answer_command(const FakeStub *stub, int fd, const char *request, GString *answer)
{
    const char *command = request + strlen("qRcmd,");
    g_autoptr(GByteArray) bytes = vmm_gdb_parse_hex(command, strlen(command));

    g_assert_nonnull(bytes);
    g_assert_cmpmem(bytes->data, bytes->len, "info status", strlen("info status"));
    for (const char *c = stub->status; c != NULL && *c != '\0'; c++) {
        g_autofree char *printed = g_strdup_printf("O%02x", (guint)*c);
        g_autoptr(GString) packet = g_string_new(NULL);

        vmm_gdb_frame(packet, printed, strlen(printed));
        fake_peer_send(fd, packet->str, packet->len);
    }
    if (stub->status != NULL)
        g_string_assign(answer, "OK");
}

/* An unknown request gets an empty answer. */
static void
make_answer(FakeStub *stub, Session *session, int fd, const char *request, GString *answer)
{
    if (g_str_has_prefix(request, "qXfer:features:read:"))
        answer_document(stub, request, answer);
    else if (strcmp(request, "qSupported") == 0)
        g_string_printf(answer, "PacketSize=%x;qXfer:features:read+;multiprocess+", FAKE_STUB_PACKET);
    else if (g_str_has_prefix(request, "Qqemu.PhyMemMode:"))
        answer_mode(stub, request, answer);
    else if (strcmp(request, "qfThreadInfo") == 0 || strcmp(request, "qsThreadInfo") == 0)
        answer_threads(stub, session, request[1] == 'f', answer);
    else if (g_str_has_prefix(request, "Hg")) {
        session->selected = g_ascii_strtoull(request + 2, NULL, 16) - 1;
        g_string_assign(answer, session->selected < stub->n_vcpus ? "OK" : "E22");
    } else if (strcmp(request, "g") == 0)
        answer_registers(stub, session->selected, answer);
    else if (request[0] == 'M')
        answer_write(stub, request, answer);
    else if (g_str_has_prefix(request, "qRcmd,"))
        answer_command(stub, fd, request, answer);
    else if (strcmp(request, "D") == 0)
        answer_detach(stub, answer);
}

static gboolean
send_answer(const FakeStub *stub, int fd, const GString *answer)
{
    g_autoptr(GString) packet = g_string_new("+");

    vmm_gdb_frame(packet, answer->str, answer->len);
    if (stub->kind == FAKE_STUB_WRONG_CHECKSUM)
        packet->str[packet->len - 1] ^= 1;
    return fake_peer_send(fd, packet->str, packet->len);
}

/* FALSE when the connection is to be closed. */
static gboolean
serve_received(FakeStub *stub, Session *session, int fd, GString *in)
{
    gsize position = 0;

    for (;;) {
        g_autoptr(GString) request = NULL;
        g_autoptr(GString) answer = g_string_new(NULL);

        if (stub->detached)
            stub->n_after_detach += in->len - position;
        g_assert_true(vmm_gdb_unframe(in, &position, &request, NULL));
        if (request == NULL)
            break;
        make_answer(stub, session, fd, request->str, answer);
        if (stub->kind == FAKE_STUB_DIES_IN_DETACH && strcmp(request->str, "D") == 0)
            return FALSE;
        if (!send_answer(stub, fd, answer) || stub->kind == FAKE_STUB_HANGS_UP)
            return FALSE;
    }
    g_string_erase(in, 0, position);
    return TRUE;
}

void
fake_stub_serve(int fd, gpointer data)
{
    FakeStub *stub = data;
    Session session = { 0 };
    g_autoptr(GString) in = g_string_new(NULL);
    const char *first_words = stub->kind == FAKE_STUB_SAYS_STOPPED ? "$T02thread:01;#04"
                            : stub->kind == FAKE_STUB_NOT_A_STUB ? "SSH-2.0-OpenSSH_9.2\r\n" : "";
    char chunk[4096];
    ssize_t n;

    fake_peer_send(fd, first_words, strlen(first_words));
    while ((n = recv(fd, chunk, sizeof chunk, 0)) > 0) {
        g_string_append_len(in, chunk, n);
        if (!serve_received(stub, &session, fd, in))
            return;
    }
}
