/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/gdb.h"

#include <string.h>

#include "vmm/gdb-link.h"
#include "vmm/gdb-wire.h"
#include "vmm/qemu-text.h"

#define MAX_VCPUS 4096
#define MIN_PACKET 256
#define PACKET_OVERHEAD 64      /* of a memory write: framing, address and length */
#define MAX_DOCUMENT (1024 * 1024)
/* So many bytes of a document are asked for at a time, which every stub's packets hold, and so many pieces at once; the
 * longest of QEMU's for x86-64 has 8 KiB. */
#define DOCUMENT_PIECE 1536
#define DOCUMENT_PIECES 6
#define ROOT_DOCUMENT "target.xml"

struct VmmGdbFacts {
    VmmGdbTarget *target;       /* NULL until it is known */
    GPtrArray *threads;         /* of char *: the stub's names for the vCPUs */
    guint n_threads_guess;
    guint64 packet_size;        /* bytes */
};

struct VmmGdb {
    VmmGdbLink *link;
    VmmGdbFacts *facts;
    gboolean accesses_are_physical;
};

VmmGdbFacts *
vmm_gdb_facts_new(guint n_vcpus)
{
    VmmGdbFacts *facts = g_new0(VmmGdbFacts, 1);

    facts->threads = g_ptr_array_new_with_free_func(g_free);
    facts->n_threads_guess = MIN(n_vcpus, MAX_VCPUS);
    facts->packet_size = MIN_PACKET;
    return facts;
}

void
vmm_gdb_facts_free(VmmGdbFacts *facts)
{
    if (facts == NULL)
        return;
    vmm_gdb_target_free(facts->target);
    g_ptr_array_unref(facts->threads);
    g_free(facts);
}

VmmGdb *
vmm_gdb_new(int fd, VmmGdbFacts *facts)
{
    VmmGdb *gdb = g_new0(VmmGdb, 1);

    gdb->link = vmm_gdb_link_new(fd);
    gdb->facts = facts;
    return gdb;
}

void
vmm_gdb_free(VmmGdb *gdb)
{
    if (gdb == NULL)
        return;
    vmm_gdb_link_free(gdb->link);
    g_free(gdb);
}

static void
add_document_request(GString *requests, const char *name, gsize offset)
{
    g_autofree char *request = g_strdup_printf("qXfer:features:read:%s:%" G_GSIZE_MODIFIER "x,%x", name, offset,
                                               DOCUMENT_PIECE);

    vmm_gdb_add_request(requests, request);
}

/* Appends the pieces to DOCUMENT, up to the last one. */
static gboolean
join_pieces(const GPtrArray *answers, guint first, GString *document, gboolean *complete, GError **error)
{
    *complete = FALSE;
    for (guint i = first; i < answers->len && !*complete; i++) {
        const GString *answer = vmm_gdb_answer(answers, i);

        *complete = answer->str[0] == 'l';
        if (!*complete && (answer->str[0] != 'm' || answer->len - 1 != DOCUMENT_PIECE))
            return vmm_gdb_set_answer_error("for its description of the registers", answer, error);
        g_string_append_len(document, answer->str + 1, answer->len - 1);
    }
    return TRUE;
}

/* Reads on where DOCUMENT ends. */
static gboolean
read_document(VmmGdb *gdb, const char *name, GString *document, GError **error)
{
    gboolean complete = FALSE;

    while (!complete) {
        g_autoptr(GString) requests = g_string_new(NULL);
        g_autoptr(GPtrArray) answers = NULL;

        for (guint i = 0; i < DOCUMENT_PIECES; i++)
            add_document_request(requests, name, document->len + i * DOCUMENT_PIECE);
        answers = vmm_gdb_link_ask(gdb->link, requests, DOCUMENT_PIECES, error);
        if (answers == NULL || !join_pieces(answers, 0, document, &complete, error))
            return FALSE;
        if (document->len > MAX_DOCUMENT) {
            g_set_error_literal(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "the gdb stub's description has no end");
            return FALSE;
        }
    }
    return TRUE;
}

/* HELLO ends with the answer to a request for the first piece of the root document. Its includes are gone through in
 * their order; NAMES grows while it is gone through. */
static gboolean
learn_registers(VmmGdb *gdb, const GPtrArray *hello, GError **error)
{
    g_autoptr(VmmGdbTarget) target = vmm_gdb_target_new();
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) root = g_string_new(NULL);
    gboolean complete;

    if (!join_pieces(hello, hello->len - 1, root, &complete, error)
        || (!complete && !read_document(gdb, ROOT_DOCUMENT, root, error))
        || !vmm_gdb_target_add(target, root->str, root->len, names, error))
        return FALSE;
    for (guint i = 0; i < names->len; i++) {
        g_autoptr(GString) document = g_string_new(NULL);

        if (!read_document(gdb, g_ptr_array_index(names, i), document, error)
            || !vmm_gdb_target_add(target, document->str, document->len, names, error))
            return FALSE;
    }
    if (!vmm_gdb_target_finish(target, error))
        return FALSE;
    gdb->facts->target = g_steal_pointer(&target);
    return TRUE;
}

/* "PacketSize=HEX;..." */
static void
learn_packet_size(VmmGdbFacts *facts, const GString *answer)
{
    const char *size = g_strstr_len(answer->str, answer->len, "PacketSize=");
    guint64 value = size != NULL ? g_ascii_strtoull(size + strlen("PacketSize="), NULL, 16) : 0;

    facts->packet_size = CLAMP(value, MIN_PACKET, VMM_GDB_MAX_PACKET);
}

/* "mID,ID..." adds to THREADS, "l" says that there are no more. */
static gboolean
add_threads(GPtrArray *threads, const GString *answer, gboolean *complete, GError **error)
{
    g_auto(GStrv) names = NULL;

    *complete = strcmp(answer->str, "l") == 0;
    if (*complete)
        return TRUE;
    if (answer->str[0] != 'm')
        return vmm_gdb_set_answer_error("for its vCPUs", answer, error);
    names = g_strsplit(answer->str + 1, ",", -1);
    for (char **name = names; *name != NULL; name++) {
        if (threads->len >= MAX_VCPUS || !g_ascii_string_to_unsigned(*name, 16, 1, MAX_VCPUS, NULL, NULL))
            return vmm_gdb_set_answer_error("for its vCPUs", answer, error);
        g_ptr_array_add(threads, g_strdup(*name));
    }
    return TRUE;
}

static GPtrArray *
list_threads(VmmGdb *gdb, const GPtrArray *answers, guint first, guint n, GError **error)
{
    g_autoptr(GPtrArray) threads = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) more = g_string_new(NULL);
    gboolean complete = FALSE;

    for (guint i = first; i < first + n && !complete; i++)
        if (!add_threads(threads, vmm_gdb_answer(answers, i), &complete, error))
            return NULL;
    vmm_gdb_add_request(more, "qsThreadInfo");
    while (!complete) {
        g_autoptr(GPtrArray) late = vmm_gdb_link_ask(gdb->link, more, 1, error);

        if (late == NULL || !add_threads(threads, vmm_gdb_answer(late, 0), &complete, error))
            return NULL;
    }
    return g_steal_pointer(&threads);
}

static gboolean
same_threads(const GPtrArray *a, const GPtrArray *b)
{
    if (a->len != b->len)
        return FALSE;
    for (guint i = 0; i < a->len; i++)
        if (strcmp(g_ptr_array_index(a, i), g_ptr_array_index(b, i)) != 0)
            return FALSE;
    return TRUE;
}

static void
add_register_requests(GString *requests, const GPtrArray *threads)
{
    for (guint i = 0; i < threads->len; i++) {
        g_autofree char *select = g_strconcat("Hg", g_ptr_array_index(threads, i), NULL);

        vmm_gdb_add_request(requests, select);
        vmm_gdb_add_request(requests, "g");
    }
}

static gboolean
decode_vcpu(VmmGdb *gdb, const char *thread, const GString *selected, const GString *registers, VmmVcpu *vcpu,
            GError **error)
{
    g_autoptr(GByteArray) bytes = NULL;

    if (strcmp(selected->str, "OK") != 0)
        return vmm_gdb_set_answer_error("to turn to a vCPU", selected, error);
    bytes = vmm_gdb_parse_hex(registers->str, registers->len);
    if (bytes == NULL)
        return vmm_gdb_set_answer_error("for registers", registers, error);
    vcpu->index = g_ascii_strtoull(thread, NULL, 16) - 1;   /* the stub counts from 1 */
    return vmm_gdb_target_decode(gdb->facts->target, bytes->data, bytes->len, vcpu, error);
}

static gboolean
decode_vcpus(VmmGdb *gdb, const GPtrArray *answers, guint first, GArray *vcpus, GError **error)
{
    for (guint i = 0; i < gdb->facts->threads->len; i++) {
        VmmVcpu vcpu = { 0 };

        if (!decode_vcpu(gdb, g_ptr_array_index(gdb->facts->threads, i), vmm_gdb_answer(answers, first + 2 * i),
                         vmm_gdb_answer(answers, first + 2 * i + 1), &vcpu, error))
            return FALSE;
        g_array_append_val(vcpus, vcpu);
    }
    return TRUE;
}

static gboolean
read_vcpus(VmmGdb *gdb, GArray *vcpus, GError **error)
{
    g_autoptr(GString) requests = g_string_new(NULL);
    g_autoptr(GPtrArray) answers = NULL;

    add_register_requests(requests, gdb->facts->threads);
    answers = vmm_gdb_link_ask(gdb->link, requests, 2 * gdb->facts->threads->len, error);
    return answers != NULL && decode_vcpus(gdb, answers, 0, vcpus, error);
}

gboolean
vmm_gdb_resync(VmmGdb *gdb, GError **error)
{
    return vmm_gdb_link_resync(gdb->link, error);
}

/* The order of the requests that open every connection. */
enum { HELLO_NO_ACK, HELLO_SUPPORTED, HELLO_PHYSICAL, HELLO_THREADS };

/* If it is known how to read the answers, everything that is wanted goes out at once, on the guess that the vCPUs are
 * those of the last time. */
static GPtrArray *
say_hello(VmmGdb *gdb, GError **error)
{
    const VmmGdbFacts *facts = gdb->facts;
    g_autoptr(GString) requests = g_string_new(NULL);
    guint n = HELLO_THREADS + 1 + facts->n_threads_guess;

    vmm_gdb_add_request(requests, "QStartNoAckMode");
    vmm_gdb_add_request(requests, "qSupported");
    vmm_gdb_add_request(requests, "Qqemu.PhyMemMode:1");
    vmm_gdb_add_request(requests, "qfThreadInfo");
    for (guint i = 0; i < facts->n_threads_guess; i++)
        vmm_gdb_add_request(requests, "qsThreadInfo");
    if (facts->target != NULL)
        add_register_requests(requests, facts->threads);
    else
        add_document_request(requests, ROOT_DOCUMENT, 0);
    n += facts->target != NULL ? 2 * facts->threads->len : 1;
    return vmm_gdb_link_ask(gdb->link, requests, n, error);
}

gboolean
vmm_gdb_begin(VmmGdb *gdb, GArray *vcpus, GError **error)
{
    VmmGdbFacts *facts = gdb->facts;
    guint n_listed = facts->n_threads_guess + 1;
    g_autoptr(GPtrArray) answers = say_hello(gdb, error);
    g_autoptr(GPtrArray) threads = NULL;

    if (answers == NULL)
        return FALSE;
    gdb->accesses_are_physical = strcmp(vmm_gdb_answer(answers, HELLO_PHYSICAL)->str, "OK") == 0;
    learn_packet_size(facts, vmm_gdb_answer(answers, HELLO_SUPPORTED));
    threads = list_threads(gdb, answers, HELLO_THREADS, n_listed, error);
    if (threads == NULL)
        return FALSE;
    if (facts->target != NULL && same_threads(threads, facts->threads))
        return decode_vcpus(gdb, answers, HELLO_THREADS + n_listed, vcpus, error);

    g_ptr_array_unref(facts->threads);
    facts->threads = g_steal_pointer(&threads);
    facts->n_threads_guess = facts->threads->len;
    return (facts->target != NULL || learn_registers(gdb, answers, error)) && read_vcpus(gdb, vcpus, error);
}

static gboolean
all_ok(const GPtrArray *answers, const char *about, GError **error)
{
    for (guint i = 0; i < answers->len; i++)
        if (strcmp(vmm_gdb_answer(answers, i)->str, "OK") != 0)
            return vmm_gdb_set_answer_error(about, vmm_gdb_answer(answers, i), error);
    return TRUE;
}

gsize
vmm_gdb_bytes_at_once(const VmmGdb *gdb)
{
    return (gdb->facts->packet_size - PACKET_OVERHEAD) / 2;
}

/* The requests that write CHUNK; how many. */
static guint
add_write_requests(const VmmGdb *gdb, GString *requests, const VmmChunk *chunk)
{
    gsize piece_bytes = vmm_gdb_bytes_at_once(gdb);
    guint n = 0;

    for (gsize done = 0; done < chunk->length; n++) {
        gsize piece = MIN(chunk->length - done, piece_bytes);
        g_autoptr(GString) request = g_string_new(NULL);

        g_string_printf(request, "M%" G_GINT64_MODIFIER "x,%" G_GSIZE_MODIFIER "x:", chunk->pa.value + done, piece);
        vmm_gdb_append_hex(request, (const guint8 *)chunk->data + done, piece);
        vmm_gdb_frame(requests, request->str, request->len);
        done += piece;
    }
    return n;
}

static gboolean
check_mode(const VmmGdb *gdb, GError **error)
{
    if (!gdb->accesses_are_physical)
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED,
                            "this QEMU is too old: its gdb stub cannot reach guest-physical memory");
    return gdb->accesses_are_physical;
}

gboolean
vmm_gdb_write(VmmGdb *gdb, const VmmChunk *chunks, gsize n_chunks, GError **error)
{
    g_autoptr(GString) requests = g_string_sized_new(4096);
    g_autoptr(GPtrArray) answers = NULL;
    guint n = 0;

    if (!check_mode(gdb, error))
        return FALSE;
    for (gsize i = 0; i < n_chunks; i++)
        n += add_write_requests(gdb, requests, &chunks[i]);
    answers = vmm_gdb_link_ask(gdb->link, requests, n, error);
    return answers != NULL && all_ok(answers, "to write guest memory", error);
}

/* Each piece is asked for on its own: who reads this way does so outside of pauses that count. */
gboolean
vmm_gdb_read(VmmGdb *gdb, const VmmExtent *extents, gsize n_extents, GError **error)
{
    const gsize piece_bytes = vmm_gdb_bytes_at_once(gdb);

    if (!check_mode(gdb, error))
        return FALSE;
    for (gsize i = 0; i < n_extents; i++)
        for (gsize done = 0; done < extents[i].length;) {
            gsize piece = MIN(extents[i].length - done, piece_bytes);
            g_autofree char *request = g_strdup_printf("m%" G_GINT64_MODIFIER "x,%" G_GSIZE_MODIFIER "x",
                                                       extents[i].pa.value + done, piece);
            g_autoptr(GString) packet = g_string_new(NULL);
            g_autoptr(GPtrArray) answers = NULL;
            g_autoptr(GByteArray) bytes = NULL;

            vmm_gdb_add_request(packet, request);
            answers = vmm_gdb_link_ask(gdb->link, packet, 1, error);
            if (answers == NULL)
                return FALSE;
            bytes = vmm_gdb_parse_hex(vmm_gdb_answer(answers, 0)->str, vmm_gdb_answer(answers, 0)->len);
            if (bytes == NULL || bytes->len != piece)
                return vmm_gdb_set_answer_error("for guest memory", vmm_gdb_answer(answers, 0), error);
            memcpy((guint8 *)extents[i].buffer + done, bytes->data, piece);
            done += piece;
        }
    return TRUE;
}

/* The stub itself starts any machine, also one that a migration has just left behind. Its monitor is asked, since that takes
 * no way but this connection. One that has none answers with nothing. */
static gboolean
check_is_here(VmmGdb *gdb, GError **error)
{
    static const char command[] = "info status";
    g_autoptr(GString) request = g_string_new("qRcmd,");
    g_autoptr(GString) requests = g_string_new(NULL);
    g_autoptr(GPtrArray) answers = NULL;

    vmm_gdb_append_hex(request, (const guint8 *)command, strlen(command));
    /* The mode is the stub's, not the connection's: the next one to come expects virtual addresses. */
    vmm_gdb_add_request(requests, "Qqemu.PhyMemMode:0");
    vmm_gdb_add_request(requests, request->str);
    answers = vmm_gdb_link_ask(gdb->link, requests, 2, error);
    return answers != NULL && (!vmm_qemu_tells_moved(vmm_gdb_link_printed(gdb->link)) || vmm_qemu_set_moved_error(error));
}

gboolean
vmm_gdb_detach(VmmGdb *gdb, GError **error)
{
    g_autoptr(GString) requests = g_string_new(NULL);
    g_autoptr(GPtrArray) answers = NULL;

    if (!check_is_here(gdb, error))
        return FALSE;
    vmm_gdb_add_request(requests, "D");
    answers = vmm_gdb_link_ask(gdb->link, requests, 1, error);
    return answers != NULL && (strcmp(vmm_gdb_answer(answers, 0)->str, "OK") == 0
                               || vmm_gdb_set_answer_error("to let the guest run", vmm_gdb_answer(answers, 0), error));
}
