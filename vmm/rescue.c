/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/rescue.h"

#include <string.h>

#include "vmm/gdb.h"
#include "vmm/qemu-text.h"
#include "vmm/stub.h"

/* No answer to this is an error: what is not there any more need not be removed. */
static gboolean
clear_away(VmmMonitor *monitor, const VmmGuardOrder *order, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (order->chardev[0] != '\0') {
        JsonObject *arguments = json_object_new();
        g_autoptr(JsonNode) done = NULL;

        json_object_set_string_member(arguments, "id", order->chardev);
        done = vmm_monitor_execute(monitor, "chardev-remove", arguments, &failure);
    } else if (order->socket_path[0] != '\0') {
        g_autofree char *done = vmm_monitor_hmp(monitor, "gdbserver none", -1, &failure);
    }
    if (failure == NULL || g_error_matches(failure, VMM_ERROR, VMM_ERROR_PROTOCOL))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

/* *EQUAL: that CHUNK is what is in guest memory. */
static gboolean
compare(VmmGdb *gdb, const VmmChunk *chunk, gboolean *equal, GError **error)
{
    g_autofree guint8 *now = g_malloc(chunk->length);
    const VmmExtent extent = { chunk->pa, now, chunk->length };

    if (!vmm_gdb_read(gdb, &extent, 1, error))
        return FALSE;
    *equal = memcmp(now, chunk->data, chunk->length) == 0;
    return TRUE;
}

/* The proof comes first. A guest that has become another one is left alone. */
static gboolean
write_chunks(VmmGdb *gdb, const GArray *chunks, GError **error)
{
    const VmmChunk *proof = &g_array_index(chunks, VmmChunk, 0);
    g_autoptr(GArray) vcpus = g_array_new(FALSE, FALSE, sizeof(VmmVcpu));
    gboolean equal;

    if (!vmm_gdb_begin(gdb, vcpus, error) || !compare(gdb, proof, &equal, error))
        return FALSE;
    return !equal || vmm_gdb_write(gdb, proof + 1, chunks->len - 1, error);
}

/* Connecting stops the guest, and detaching would resume one that somebody else has stopped: it is only done if WE are to
 * resume it. */
static gboolean
carry_out(VmmMonitor *monitor, const VmmGuardOrder *order, const GArray *chunks, gboolean resume, GError **error)
{
    const char *directory = order->stub_directory[0] != '\0' ? order->stub_directory : NULL;
    g_autoptr(VmmStub) stub = NULL;
    g_autoptr(VmmGdbFacts) facts = vmm_gdb_facts_new(0);
    g_autoptr(VmmGdb) gdb = NULL;
    int fd;

    if (!vmm_stub_check_unused(monitor, error))
        return FALSE;
    stub = vmm_stub_new(monitor, directory, order->stub_owner, error);
    if (stub == NULL || !vmm_stub_open(stub, error) || !vmm_stub_announce(stub, error))
        return FALSE;
    fd = vmm_stub_connect(stub, error);
    if (fd < 0)
        return FALSE;
    gdb = vmm_gdb_new(fd, facts);
    return write_chunks(gdb, chunks, error) && (!resume || vmm_gdb_detach(gdb, error));
}

/* Only what a gdb stub's connection stopped: "paused", or "debug". */
static gboolean
resume_if_stopped(VmmMonitor *monitor, GError **error)
{
    g_autofree char *state = NULL;
    g_autoptr(JsonNode) done = NULL;
    gboolean running;

    if (!vmm_monitor_run_state(monitor, &running, &state, error))
        return FALSE;
    if (running || (strcmp(state, "paused") != 0 && strcmp(state, "debug") != 0))
        return TRUE;
    done = vmm_monitor_execute(monitor, "cont", NULL, error);
    return done != NULL;
}

gboolean
vmm_rescue(VmmMonitor *monitor, VmmGuardOrder *order, const VmmWill *will, GError **error)
{
    g_autoptr(GBytes) store = NULL;
    g_autoptr(GArray) chunks = vmm_will_read(will, &store);
    g_autofree char *state = NULL;
    gboolean done = TRUE, resume;

    /* The stub goes first: a connection that it has not seen yet would stop the guest again. */
    if (!clear_away(monitor, order, error) || !vmm_monitor_run_state(monitor, &resume, &state, error))
        return FALSE;
    if (vmm_qemu_tells_moved(state))
        return TRUE;
    resume = resume || order->may_be_paused;
    order->may_be_paused = resume;      /* our own connecting may now stop it */
    if (chunks != NULL && chunks->len > 0)
        done = carry_out(monitor, order, chunks, resume, error);
    return (!resume || resume_if_stopped(monitor, done ? error : NULL)) && done;
}
