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
core_write(gpointer self, const VmmChunk *chunks, gsize n_chunks, GError **error)
{
    const Core *core = self;
    g_autoptr(GArray) pieces = locate(core, chunks, n_chunks);

    if (!vmm_journal_note(core->journal, core->fd, (const VmmJournalPiece *)pieces->data, pieces->len, error))
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

static gboolean
core_set_will(gpointer self, const VmmChunk *proof, const VmmChunk *chunks, gsize n_chunks, GError **error)
{
    Core *core = self;

    if (n_chunks > 0)
        return vmm_guard_check(core->guard, error)
               && vmm_will_write(vmm_guard_will(core->guard), proof, chunks, n_chunks, error);
    vmm_will_clear(vmm_guard_will(core->guard));
    return TRUE;
}

static void
core_abandon(gpointer self)
{
    /* The guard carries out the will when the machine is closed. */
}

/* In the guard's process. */
static void
carry_out(gpointer data, const VmmGuardOrder *order, const VmmWill *will)
{
    g_autoptr(GBytes) store = NULL;
    g_autoptr(GArray) chunks = vmm_will_read(will, &store);
    const VmmChunk *proof = chunks != NULL && chunks->len > 0 ? &g_array_index(chunks, VmmChunk, 0) : NULL;
    g_autofree guint8 *now = proof != NULL ? g_malloc(proof->length) : NULL;
    const VmmExtent extent = { proof != NULL ? proof->pa : guest_pa(0), now, proof != NULL ? proof->length : 0 };

    if (proof != NULL && core_read(data, &extent, 1, NULL) && memcmp(now, proof->data, proof->length) == 0
        && core_write(data, proof + 1, chunks->len - 1, NULL))
        core_resume(data, NULL, NULL);
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

/* NAME is a path, or MEMORY,STATE. All files are opened before privileges are given up, and parsed afterwards. */
static Core *
open_file(const char *name, int mode, gboolean to_look, GError **error)
{
    const char *comma = access(name, F_OK) == 0 ? NULL : strrchr(name, ',');
    g_autofree char *path = comma != NULL ? g_strndup(name, comma - name) : g_strdup(name);
    VMM_AUTO_FD int fd = open_path(path, mode, error);
    VMM_AUTO_FD int state_fd = fd >= 0 && comma != NULL ? open_path(comma + 1, O_RDONLY, error) : -1;
    VMM_AUTO_FD int room = comma == NULL ? vmm_flattened_room() : -1;
    Core *core = NULL;

    if (fd < 0 || (comma != NULL && state_fd < 0))
        return NULL;
    core = g_new0(Core, 1);
    core->fd = vmm_fd_steal(&fd);
    core->journal = vmm_journal_new(path);
    core->is_torn = vmm_journal_is_there(core->journal);
    if ((!to_look || (check_whole(core, error) && vmm_sandbox_enter(VMM_SANDBOX_LOOK, error)))
        && (comma != NULL ? read_snapshot(core, state_fd, error) : read_image(core, &room, error)))
        return core;
    core_close(core);
    return NULL;
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

static void
fill_instance(Core *core, const VmmBackend *ops, const char *path, VmmBackendInstance *instance)
{
    *instance = (VmmBackendInstance) {
        .ops = ops,
        .self = core,
        .name = g_strdup(path),
        .ranges = list_ranges(core->file),
        .n_vcpus = core->file->vcpus->len,
    };
}

gboolean
vmm_core_open(const char *path, const char *uri, VmmBackendInstance *instance, GError **error)
{
    Core *core = open_file(path, O_RDONLY, instance->to_look, error);

    if (core != NULL)
        fill_instance(core, &core_backend, path, instance);
    return core != NULL;
}

static gboolean
prepare_saved(Core *core, gboolean to_look, GError **error)
{
    core->is_saved = TRUE;
    if (!check_restorable(core, error))
        return FALSE;
    if (!to_look)
        core->guard = vmm_guard_new(carry_out, core, core->fd, error);
    return to_look || core->guard != NULL;
}

gboolean
vmm_saved_open(const char *path, const char *uri, VmmBackendInstance *instance, GError **error)
{
    Core *core = open_file(path, instance->to_look ? O_RDONLY : O_RDWR, instance->to_look, error);

    if (core == NULL)
        return FALSE;
    if (!prepare_saved(core, instance->to_look, error)) {
        core_close(core);
        return FALSE;
    }
    fill_instance(core, &saved_backend, path, instance);
    return TRUE;
}
