/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A memory image: as a machine that can only be looked at (core:FILE), or, if a machine is to be restored from it, as one
 * that can be changed as well (saved:FILE). Nothing runs in either.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/backend.h"
#include "vmm/core-file.h"
#include "vmm/file.h"
#include "vmm/firecracker.h"
#include "vmm/flattened.h"
#include "vmm/guard.h"
#include "vmm/journal.h"
#include "vmm/kdump.h"
#include "vmm/sandbox.h"
#include "vmm/socket.h"

typedef struct {
    int fd;
    VmmCoreFile *file;
    VmmKdump *kdump;        /* if it is compressed */
    gboolean is_other;      /* what FD holds is not as it lies in the file that was named, or is compressed */
    gboolean is_saved;      /* a machine is to be restored from it */
    VmmJournal *journal;
    gboolean is_torn;       /* somebody was writing to it when it was opened, and it was not put right since */
    VmmGuard *guard;        /* of one that is to be changed */
} Core;

static void
core_close(gpointer self)
{
    Core *core = self;

    vmm_guard_free(core->guard);
    vmm_kdump_free(core->kdump);
    vmm_core_file_free(core->file);
    vmm_journal_free(core->journal);
    vmm_fd_clear(&core->fd);
    g_free(core);
}

static gboolean
check_whole(const Core *core, GError **error)
{
    if (core->is_torn)
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_BUSY, "somebody is changing this saved machine, or was killed while "
                            "doing so: try again, or have 'virt-livepatch recover saved:FILE' take back what was half done");
    return !core->is_torn;
}

static gboolean
core_is_running(gpointer self, gboolean *running, char **state, GError **error)
{
    const Core *core = self;

    *running = FALSE;
    if (!check_whole(core, error))
        return FALSE;
    if (state != NULL)
        *state = g_strdup(core->is_saved ? "saved" : "memory image");
    return TRUE;
}

static gboolean
read_piece(const Core *core, const VmmCoreSegment *segment, guint64 pa, void *buffer, gsize length, GError **error)
{
    if (core->kdump != NULL)
        return vmm_kdump_read(core->kdump, segment, pa, buffer, length, error);
    if (vmm_file_read(core->fd, segment->offset + (pa - segment->range.start.value), buffer, length))
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_LOST, "the memory image cannot be read any more: %s",
                errno != 0 ? g_strerror(errno) : "it became shorter");
    return FALSE;
}

static gboolean
core_read(gpointer self, const VmmExtent *extents, gsize n_extents, GError **error)
{
    const Core *core = self;

    for (gsize i = 0; i < n_extents; i++)
        for (gsize done = 0; done < extents[i].length;) {
            guint64 pa = extents[i].pa.value + done;
            const VmmCoreSegment *segment = vmm_core_file_find(core->file, pa);
            guint64 within = pa - segment->range.start.value;
            gsize length = MIN(extents[i].length - done, segment->range.length - within);

            if (!read_piece(core, segment, pa, (char *)extents[i].buffer + done, length, error))
                return FALSE;
            done += length;
        }
    return TRUE;
}

static gboolean
core_peek_vcpu(gpointer self, guint index, VmmVcpu *vcpu, GError **error)
{
    const Core *core = self;

    *vcpu = g_array_index(core->file->vcpus, VmmVcpu, index);
    return TRUE;
}

/* Where in the file CHUNKS lie, of VmmJournalPiece. */
static GArray *
locate(const Core *core, const VmmChunk *chunks, gsize n_chunks)
{
    GArray *pieces = g_array_new(FALSE, FALSE, sizeof(VmmJournalPiece));

    for (gsize i = 0; i < n_chunks; i++)
        for (gsize done = 0; done < chunks[i].length;) {
            guint64 pa = chunks[i].pa.value + done;
            const VmmCoreSegment *segment = vmm_core_file_find(core->file, pa);
            guint64 within = pa - segment->range.start.value;
            gsize length = MIN(chunks[i].length - done, segment->range.length - within);
            const VmmJournalPiece piece = { segment->offset + within, (const char *)chunks[i].data + done, length };

            g_array_append_val(pieces, piece);
            done += length;
        }
    return pieces;
}

static gboolean
write_pieces(const Core *core, const GArray *pieces, GError **error)
{
    if (!vmm_journal_note(core->journal, core->fd, (const VmmJournalPiece *)(gpointer)pieces->data, pieces->len, error))
        return FALSE;
    for (guint i = 0; i < pieces->len; i++) {
        const VmmJournalPiece *piece = &g_array_index(pieces, VmmJournalPiece, i);

        if (!vmm_file_write(core->fd, piece->offset, piece->data, piece->length)) {
            g_set_error(error, VMM_ERROR, VMM_ERROR_LOST, "the saved machine cannot be written to: %s", g_strerror(errno));
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean
core_write(gpointer self, const VmmChunk *chunks, gsize n_chunks, GError **error)
{
    g_autoptr(GArray) pieces = locate(self, chunks, n_chunks);

    return write_pieces(self, pieces, error);
}

static gboolean
core_pause(gpointer self, GArray *vcpus, GError **error)
{
    const Core *core = self;

    g_array_append_vals(vcpus, core->file->vcpus->data, core->file->vcpus->len);
    return TRUE;
}

/* Whoever restores it next is to find what was said to be done. */
static gboolean
core_resume(gpointer self, guint64 *stood_ns, GError **error)
{
    const Core *core = self;

    if (stood_ns != NULL)
        *stood_ns = 0;
    return vmm_journal_end(core->journal, core->fd, error);
}

static gboolean
take_back(Core *core, GError **error)
{
    if (!vmm_journal_play_back(core->journal, core->fd, error))
        return FALSE;
    core->is_torn = FALSE;
    g_warning("somebody was killed while writing to this saved machine; what had been written was taken back");
    return TRUE;
}

static gboolean
core_claim(gpointer self, GError **error)
{
    Core *core = self;

    if (flock(core->fd, LOCK_EX | LOCK_NB) == 0)
        return !vmm_journal_is_there(core->journal) || take_back(core, error);
    g_set_error_literal(error, VMM_ERROR, VMM_ERROR_BUSY,
                        "somebody else is changing this saved machine, or restores it; try again afterwards");
    return FALSE;
}

/* The same pieces as chunks of a will, whose addresses are then offsets in the file: the guard was there before that was
 * parsed, and need not do so. */
static GArray *
chunks_of_file(const Core *core, const VmmChunk *chunks, gsize n_chunks)
{
    g_autoptr(GArray) pieces = locate(core, chunks, n_chunks);
    GArray *places = g_array_new(FALSE, FALSE, sizeof(VmmChunk));

    for (guint i = 0; i < pieces->len; i++) {
        const VmmJournalPiece *piece = &g_array_index(pieces, VmmJournalPiece, i);
        const VmmChunk place = { guest_pa(piece->offset), piece->data, piece->length };

        g_array_append_val(places, place);
    }
    return places;
}

static gboolean
write_will(Core *core, const VmmChunk *proof, const VmmChunk *chunks, gsize n_chunks, GError **error)
{
    g_autoptr(GArray) proof_places = chunks_of_file(core, proof, 1), places = chunks_of_file(core, chunks, n_chunks);

    if (proof_places->len == 1)
        return vmm_will_write(vmm_guard_will(core->guard), (const VmmChunk *)(gpointer)proof_places->data,
                              (const VmmChunk *)(gpointer)places->data, places->len, error);
    g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED,
                        "the file has the beginning of the kernel in pieces, and cannot be changed safely");
    return FALSE;
}

static gboolean
core_set_will(gpointer self, const VmmChunk *proof, const VmmChunk *chunks, gsize n_chunks, GError **error)
{
    Core *core = self;

    if (n_chunks > 0)
        return vmm_guard_check(core->guard, error) && write_will(core, proof, chunks, n_chunks, error);
    vmm_will_clear(vmm_guard_will(core->guard));
    return TRUE;
}

static void
core_abandon(gpointer self)
{
    /* The guard carries out the will when the machine is closed. */
}

/* In the guard's process, where the file was not parsed. */
static void
carry_out(gpointer data, const VmmGuardOrder *order, const VmmWill *will)
{
    const Core *core = data;
    g_autoptr(GBytes) store = NULL;
    g_autoptr(GArray) places = vmm_will_read(will, &store), pieces = g_array_new(FALSE, FALSE, sizeof(VmmJournalPiece));
    const VmmChunk *proof = places != NULL && places->len > 0 ? &g_array_index(places, VmmChunk, 0) : NULL;
    g_autofree guint8 *now = proof != NULL ? g_malloc(proof->length) : NULL;

    if (proof == NULL || !vmm_file_read(core->fd, proof->pa.value, now, proof->length)
        || memcmp(now, proof->data, proof->length) != 0)
        return;
    for (guint i = 1; i < places->len; i++) {
        const VmmChunk *place = &g_array_index(places, VmmChunk, i);
        const VmmJournalPiece piece = { place->pa.value, place->data, place->length };

        g_array_append_val(pieces, piece);
    }
    if (write_pieces(core, pieces, NULL))
        vmm_journal_end(core->journal, core->fd, NULL);
}

static const VmmBackend core_backend = {
    .kind = "memory image",
    .close = core_close,
    .is_running = core_is_running,
    .read = core_read,
    .peek_vcpu = core_peek_vcpu,
};

static const VmmBackend saved_backend = {
    .kind = "saved machine",
    .is_saved = TRUE,
    .close = core_close,
    .is_running = core_is_running,
    .read = core_read,
    .peek_vcpu = core_peek_vcpu,
    .pause = core_pause,
    .write = core_write,
    .resume = core_resume,
    .claim = core_claim,
    .set_will = core_set_will,
    .abandon = core_abandon,
};

static GArray *
list_ranges(const VmmCoreFile *file)
{
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(VmmRange));

    for (guint i = 0; i < file->segments->len; i++) {
        const VmmRange *range = &g_array_index(file->segments, VmmCoreSegment, i).range;
        VmmRange *last = ranges->len > 0 ? &g_array_index(ranges, VmmRange, ranges->len - 1) : NULL;

        if (last != NULL && last->start.value + last->length == range->start.value)
            last->length += range->length;
        else
            g_array_append_val(ranges, *range);
    }
    return ranges;
}

static int
open_path(const char *path, int mode, GError **error)
{
    /* O_NONBLOCK: whatever is no file must not be waited for. */
    int fd = open(path, mode | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        g_set_error(error, VMM_ERROR, errno == ENOENT ? VMM_ERROR_NOT_FOUND : VMM_ERROR_UNREACHABLE, "%s: %s", path,
                    g_strerror(errno));
    return fd;
}

/* A flattened image is replaced by what it is meant to be, which ROOM holds then and is taken over. */
static gboolean
unflatten(Core *core, int *room, GError **error)
{
    if (!vmm_flattened_put_together(core->fd, *room, error))
        return FALSE;
    close(core->fd);
    core->fd = vmm_fd_steal(room);
    core->is_other = TRUE;
    return TRUE;
}

/* The memory file's state is in STATE_FD. */
static gboolean
read_snapshot(Core *core, int state_fd, GError **error)
{
    struct stat facts;

    if (fstat(core->fd, &facts) == 0 && S_ISREG(facts.st_mode))
        core->file = vmm_firecracker_read(state_fd, facts.st_size, error);
    else
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "a memory file has to be an ordinary file");
    return core->file != NULL;
}

static gboolean
read_image(Core *core, int *room, GError **error)
{
    if (vmm_flattened_is(core->fd) && !unflatten(core, room, error))
        return FALSE;
    if (!vmm_kdump_is(core->fd)) {
        core->file = vmm_core_file_new(core->fd, error);
        return core->file != NULL;
    }
    core->is_other = TRUE;
    core->file = vmm_core_file_new_empty();
    core->kdump = vmm_kdump_new(core->fd, core->file, error);
    return core->kdump != NULL;
}

/* Whether a machine can be restored from it. */
static gboolean
check_restorable(const Core *core, GError **error)
{
    if (core->is_other)
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "a compressed or flattened dump can be looked at "
                            "(core:), but no machine is restored from it");
    else if (core->file->has_copies)
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "the file has some of the memory more than once: "
                            "no machine is restored from such a one");
    return !core->is_other && !core->file->has_copies;
}

/* Of one that is to be changed; it is forked while that is still allowed. */
static gboolean
start_guard(Core *core, GError **error)
{
    core->guard = vmm_guard_new(carry_out, core, core->fd, error);
    return core->guard != NULL;
}

/* NAME is a path, or MEMORY,STATE. All files are opened before privileges are given up, and parsed afterwards. */
static Core *
open_file(const char *name, gboolean is_saved, VmmSandbox sandbox, GError **error)
{
    gboolean to_look = sandbox == VMM_SANDBOX_LOOK, to_change = is_saved && !to_look;
    const char *comma = access(name, F_OK) == 0 ? NULL : strrchr(name, ',');
    g_autofree char *path = comma != NULL ? g_strndup(name, comma - name) : g_strdup(name);
    VMM_AUTO_FD int fd = open_path(path, to_change ? O_RDWR : O_RDONLY, error);
    VMM_AUTO_FD int state_fd = fd >= 0 && comma != NULL ? open_path(comma + 1, O_RDONLY, error) : -1;
    VMM_AUTO_FD int room = comma == NULL ? vmm_flattened_room() : -1;
    Core *core = NULL;

    if (fd < 0 || (comma != NULL && state_fd < 0))
        return NULL;
    core = g_new0(Core, 1);
    core->fd = vmm_fd_steal(&fd);
    core->is_saved = is_saved;
    core->journal = vmm_journal_new(path);
    core->is_torn = vmm_journal_is_there(core->journal);
    if ((!to_look || check_whole(core, error)) && (!to_change || start_guard(core, error))
        && vmm_sandbox_enter(sandbox, error)
        && (comma != NULL ? read_snapshot(core, state_fd, error) : read_image(core, &room, error))
        && (!is_saved || check_restorable(core, error)))
        return core;
    core_close(core);
    return NULL;
}

static gboolean
open_instance(const VmmBackend *ops, const char *path, VmmBackendInstance *instance, GError **error)
{
    Core *core = open_file(path, ops->is_saved, instance->sandbox, error);

    if (core == NULL)
        return FALSE;
    *instance = (VmmBackendInstance) {
        .ops = ops,
        .self = core,
        .name = g_strdup(path),
        .ranges = list_ranges(core->file),
        .n_vcpus = core->file->vcpus->len,
    };
    return TRUE;
}

gboolean
vmm_core_open(const char *path, const char *uri, VmmBackendInstance *instance, GError **error)
{
    return open_instance(&core_backend, path, instance, error);
}

gboolean
vmm_saved_open(const char *path, const char *uri, VmmBackendInstance *instance, GError **error)
{
    return open_instance(&saved_backend, path, instance, error);
}
