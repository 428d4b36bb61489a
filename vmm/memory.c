/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vmm/socket.h"

#define BATCH 1024          /* IOV_MAX of Linux: the most pieces that one call takes */
#define MIN_VECTORS 4

struct VmmHostMemory {
    pid_t pid;
    int proc_fd;            /* /proc/PID: refers to that very process even when its number is used again */
    int mem_fd;             /* its memory, for which nothing is asked any more once it is open; -1 if it may not be */
    gboolean no_vectors;    /* process_vm_readv, which asks each time, has been refused */
    GArray *regions;        /* of VmmHostRegion */
};

static gboolean
set_gone_error(const VmmHostMemory *memory, GError **error)
{
    g_set_error(error, VMM_ERROR, VMM_ERROR_LOST, "the machine's process %d has ended", (int)memory->pid);
    return FALSE;
}

VmmHostMemory *
vmm_host_memory_new(pid_t pid, GError **error)
{
    g_autoptr(VmmHostMemory) memory = g_new0(VmmHostMemory, 1);
    g_autofree char *path = g_strdup_printf("/proc/%d", (int)pid);

    memory->pid = pid;
    memory->regions = g_array_new(FALSE, FALSE, sizeof(VmmHostRegion));
    memory->proc_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (memory->proc_fd < 0) {
        set_gone_error(memory, error);
        return NULL;
    }
    memory->mem_fd = openat(memory->proc_fd, "mem", O_RDONLY | O_CLOEXEC);
    return g_steal_pointer(&memory);
}

void
vmm_host_memory_free(VmmHostMemory *memory)
{
    if (memory == NULL)
        return;
    vmm_fd_clear(&memory->mem_fd);
    vmm_fd_clear(&memory->proc_fd);
    g_array_unref(memory->regions);
    g_free(memory);
}

pid_t
vmm_host_memory_pid(const VmmHostMemory *memory)
{
    return memory->pid;
}

int
vmm_host_memory_process_fd(const VmmHostMemory *memory)
{
    return memory->proc_fd;
}

gboolean
vmm_host_memory_owner(const VmmHostMemory *memory, uid_t *uid, GError **error)
{
    char text[4096];
    const char *line = NULL;
    unsigned int fs_uid;
    ssize_t length = -1;
    VMM_AUTO_FD int fd = openat(memory->proc_fd, "status", O_RDONLY | O_CLOEXEC);

    if (fd >= 0)
        length = read(fd, text, sizeof text - 1);
    if (length > 0) {
        text[length] = '\0';
        line = g_strstr_len(text, length, "\nUid:");
    }
    /* Not the owner of /proc/PID: that is root for a process that has changed its user. */
    if (line == NULL || sscanf(line, "\nUid: %*u %*u %*u %u", &fs_uid) != 1)
        return set_gone_error(memory, error);
    *uid = fs_uid;
    return TRUE;
}

/* The kernel lets go of the lock when we end, however we do. */
gboolean
vmm_host_memory_claim(VmmHostMemory *memory, GError **error)
{
    if (flock(memory->proc_fd, LOCK_EX | LOCK_NB) == 0)
        return TRUE;
    g_set_error_literal(error, VMM_ERROR, VMM_ERROR_BUSY,
                        "another virt-livepatch is changing this guest; try again when it has finished");
    return FALSE;
}

static const VmmHostRegion *
find_region(const VmmHostMemory *memory, guint64 pa)
{
    guint low = 0, high = memory->regions->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        const VmmHostRegion *region = &g_array_index(memory->regions, VmmHostRegion, middle);

        if (pa < region->range.start.value)
            high = middle;
        else if (pa - region->range.start.value >= region->range.length)
            low = middle + 1;
        else
            return region;
    }
    return NULL;
}

static gboolean
set_read_error(const VmmHostMemory *memory, int code, GError **error)
{
    switch (code) {
    case EPERM:
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE,
                    "may not read the memory of the machine's process %d: run this as root", (int)memory->pid);
        return FALSE;
    case ESRCH:
        return set_gone_error(memory, error);
    case EFAULT:
        g_set_error(error, VMM_ERROR, VMM_ERROR_BAD_ADDRESS, "process %d has no memory where guest memory should be: "
                    "the guest's memory was changed, or this is not the machine's process", (int)memory->pid);
        return FALSE;
    default:
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "cannot read the memory of the machine's process %d: %s",
                    (int)memory->pid, g_strerror(code));
        return FALSE;
    }
}

/* Moves the first N_DONE bytes out of the way; returns how many entries are used up. */
static gsize
skip_done(struct iovec *local, struct iovec *remote, gsize n, gsize n_done)
{
    gsize i = 0;

    while (i < n && n_done >= local[i].iov_len)
        n_done -= local[i++].iov_len;
    if (i < n) {
        local[i].iov_base = (char *)local[i].iov_base + n_done;
        remote[i].iov_base = (char *)remote[i].iov_base + n_done;
        local[i].iov_len -= n_done;
        remote[i].iov_len -= n_done;
    }
    return i;
}

/* If it is still there after a read, then its number has been its own during all of that. */
gboolean
vmm_host_memory_is_there(const VmmHostMemory *memory, GError **error)
{
    return faccessat(memory->proc_fd, "stat", F_OK, 0) == 0 || set_gone_error(memory, error);
}

/* Piece by piece, through the process's memory file. */
static gboolean
read_pieces(const VmmHostMemory *memory, const struct iovec *local, const struct iovec *remote, gsize n, GError **error)
{
    for (gsize i = 0; i < n; i++)
        for (gsize done = 0; done < local[i].iov_len;) {
            gssize now = pread(memory->mem_fd, (char *)local[i].iov_base + done, local[i].iov_len - done,
                               (off_t)(GPOINTER_TO_SIZE(remote[i].iov_base) + done));

            if (now < 0 && errno == EINTR)
                continue;
            /* No bytes: the process has no memory any more. */
            if (now <= 0)
                return set_read_error(memory, now == 0 ? ESRCH : errno == EIO ? EFAULT : errno, error);
            done += now;
        }
    return TRUE;
}

static gboolean
read_vectors(VmmHostMemory *memory, struct iovec *local, struct iovec *remote, gsize n, GError **error)
{
    gsize i = 0;

    while (i < n) {
        gssize done = process_vm_readv(memory->pid, local + i, n - i, remote + i, n - i, 0);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && errno == EPERM && memory->mem_fd >= 0) {
            memory->no_vectors = TRUE;
            return read_pieces(memory, local + i, remote + i, n - i, error);
        }
        if (done <= 0)
            return set_read_error(memory, done < 0 ? errno : EFAULT, error);
        i += skip_done(local + i, remote + i, n - i, done);
    }
    return vmm_host_memory_is_there(memory, error);
}

/* One piece is read faster through the file, many are through vectors: each by a factor of two or more. */
static gboolean
read_batch(VmmHostMemory *memory, struct iovec *local, struct iovec *remote, gsize n, GError **error)
{
    if (memory->mem_fd >= 0 && (n < MIN_VECTORS || memory->no_vectors))
        return read_pieces(memory, local, remote, n, error);
    return read_vectors(memory, local, remote, n, error);
}

gboolean
vmm_host_memory_read(VmmHostMemory *memory, const VmmExtent *extents, gsize n_extents, GError **error)
{
    struct iovec local[BATCH], remote[BATCH];
    gsize n = 0;

    for (gsize i = 0; i < n_extents; i++) {
        for (gsize done = 0; done < extents[i].length; n++) {
            guint64 pa = extents[i].pa.value + done;
            const VmmHostRegion *region = find_region(memory, pa);
            guint64 within = region != NULL ? pa - region->range.start.value : 0;

            if (region == NULL) {
                g_set_error(error, VMM_ERROR, VMM_ERROR_BAD_ADDRESS,
                            "no guest memory at guest-physical address 0x%" G_GINT64_MODIFIER "x", pa);
                return FALSE;
            }
            if (n == BATCH) {
                if (!read_batch(memory, local, remote, n, error))
                    return FALSE;
                n = 0;
            }
            local[n].iov_base = (char *)extents[i].buffer + done;
            remote[n].iov_base = GSIZE_TO_POINTER(region->hva + within);
            local[n].iov_len = remote[n].iov_len = MIN(extents[i].length - done, region->range.length - within);
            done += local[n].iov_len;
        }
    }
    return read_batch(memory, local, remote, n, error);
}

static gboolean
try_region(VmmHostMemory *memory, const VmmHostRegion *region, GError **error)
{
    guint8 bytes[2];
    struct iovec local[] = { { &bytes[0], 1 }, { &bytes[1], 1 } };
    struct iovec remote[] = {
        { GSIZE_TO_POINTER(region->hva), 1 },
        { GSIZE_TO_POINTER(region->hva + region->range.length - 1), 1 },
    };

    return read_batch(memory, local, remote, G_N_ELEMENTS(local), error);
}

gboolean
vmm_host_memory_add(VmmHostMemory *memory, const VmmHostRegion *region, GError **error)
{
    if (region->range.length == 0 || region->hva > G_MAXUINT64 - region->range.length) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "guest memory lies at an impossible place");
        return FALSE;
    }
    if (!try_region(memory, region, error))
        return FALSE;
    if (memory->regions->len > 0) {
        VmmHostRegion *last = &g_array_index(memory->regions, VmmHostRegion, memory->regions->len - 1);

        if (last->range.start.value + last->range.length == region->range.start.value
            && last->hva + last->range.length == region->hva) {
            last->range.length += region->range.length;
            return TRUE;
        }
    }
    g_array_append_val(memory->regions, *region);
    return TRUE;
}

GArray *
vmm_host_memory_ranges(const VmmHostMemory *memory)
{
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(VmmRange));

    for (guint i = 0; i < memory->regions->len; i++)
        g_array_append_val(ranges, g_array_index(memory->regions, VmmHostRegion, i).range);
    return ranges;
}
