/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A memory image as a machine that can only be looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "vmm/backend.h"
#include "vmm/core-file.h"
#include "vmm/socket.h"

typedef struct {
    int fd;
    VmmCoreFile *file;
} Core;

static void
core_close(gpointer self)
{
    Core *core = self;

    vmm_core_file_free(core->file);
    vmm_fd_clear(&core->fd);
    g_free(core);
}

static gboolean
core_is_running(gpointer self, gboolean *running, char **state, GError **error)
{
    *running = FALSE;
    if (state != NULL)
        *state = g_strdup("memory image");
    return TRUE;
}

static gboolean
read_piece(const Core *core, guint64 offset, char *buffer, gsize length, GError **error)
{
    while (length > 0) {
        ssize_t n = pread(core->fd, buffer, length, offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            g_set_error(error, VMM_ERROR, VMM_ERROR_LOST, "the memory image cannot be read any more: %s",
                        n < 0 ? g_strerror(errno) : "it became shorter");
            return FALSE;
        }
        buffer += n;
        offset += n;
        length -= n;
    }
    return TRUE;
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

            if (!read_piece(core, segment->offset + within, (char *)extents[i].buffer + done, length, error))
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

static const VmmBackend core_backend = {
    .kind = "memory image",
    .close = core_close,
    .is_running = core_is_running,
    .read = core_read,
    .peek_vcpu = core_peek_vcpu,
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

gboolean
vmm_core_open(const char *path, const char *uri, VmmBackendInstance *instance, GError **error)
{
    /* O_NONBLOCK: whatever is no file must not be waited for. */
    VMM_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    Core *core = NULL;
    VmmCoreFile *file = NULL;

    if (fd < 0) {
        g_set_error(error, VMM_ERROR, errno == ENOENT ? VMM_ERROR_NOT_FOUND : VMM_ERROR_UNREACHABLE, "%s: %s", path,
                    g_strerror(errno));
        return FALSE;
    }
    file = vmm_core_file_new(fd, error);
    if (file == NULL)
        return FALSE;
    core = g_new0(Core, 1);
    core->fd = vmm_fd_steal(&fd);
    core->file = file;
    *instance = (VmmBackendInstance) {
        .ops = &core_backend,
        .self = core,
        .name = g_strdup(path),
        .ranges = list_ranges(file),
        .n_vcpus = file->vcpus->len,
    };
    return TRUE;
}
