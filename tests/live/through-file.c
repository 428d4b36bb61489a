/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Saves a guest, has something done to the file, and restores it: what a machine's own save and restore do, for a machine
 * that has none of its own that could be used.
 *
 *   through-file GUEST FILE COMMAND...   pauses GUEST, saves memory and registers to FILE, runs COMMAND, puts what that
 *                                        changed in FILE back into memory, and lets GUEST run on; exit status of COMMAND
 *   through-file --firecracker GUEST FILE COMMAND...
 *                                        the same with a snapshot as Firecracker 1.14 makes it: memory in FILE, the rest in
 *                                        FILE.state
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/vmm/firecracker-writer.h"
#include "vmm/core-write.h"

#define PIECE_BYTES (1 << 20)
#define PAGE_BYTES 4096

static gboolean
read_guest(gpointer data, GuestPa pa, void *buffer, gsize length, GError **error)
{
    return vmm_read(data, pa, buffer, length, error);
}

static gboolean
save(VmmMachine *machine, VmmPause *pause, const char *path, GError **error)
{
    const VmmReader *reader = vmm_machine_reader(machine);
    VmmCoreSource source = { .read = read_guest, .data = (gpointer)reader };
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    gboolean done;

    source.vcpus = vmm_pause_vcpus(pause, &source.n_vcpus);
    source.ranges = vmm_reader_ranges(reader, &source.n_ranges);
    done = fd >= 0 && vmm_core_write(fd, &source, error);
    close(fd);
    return done;
}

static gboolean
save_memory(int fd, const VmmReader *reader, const VmmRange *range, GError **error)
{
    g_autofree guint8 *bytes = g_malloc(PIECE_BYTES);

    for (guint64 done = 0; done < range->length; done += PIECE_BYTES) {
        gsize length = MIN(range->length - done, PIECE_BYTES);

        if (!vmm_read(reader, guest_pa_add(range->start, done), bytes, length, error)
            || write(fd, bytes, length) != (ssize_t)length)
            return FALSE;
    }
    return TRUE;
}

static gboolean
save_as_firecracker(VmmMachine *machine, VmmPause *pause, const char *path, GError **error)
{
    const VmmReader *reader = vmm_machine_reader(machine);
    g_autofree char *state_path = g_strconcat(path, ".state", NULL);
    g_autoptr(GByteArray) bytes = NULL;
    FirecrackerState state = { .release = 14 };
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    gboolean done = fd >= 0;

    state.vcpus = vmm_pause_vcpus(pause, &state.n_vcpus);
    state.ranges = vmm_reader_ranges(reader, &state.n_ranges);
    for (guint i = 0; done && i < state.n_ranges; i++)
        done = save_memory(fd, reader, &state.ranges[i], error);
    close(fd);
    bytes = firecracker_state_write(&state);
    return done && g_file_set_contents(state_path, (char *)bytes->data, bytes->len, error);
}

/* Where memory is read from when the guest is restored. */
typedef struct {
    const VmmReader *reader;        /* NULL: from FD, where the regions are one behind the other */
    int fd;
    guint64 offset;                 /* of the region */
} Saved;

static gboolean
read_saved(const Saved *saved, const VmmRange *range, guint64 at, void *buffer, gsize length, GError **error)
{
    if (saved->reader != NULL)
        return vmm_read(saved->reader, guest_pa_add(range->start, at), buffer, length, error);
    return pread(saved->fd, buffer, length, saved->offset + at) == (ssize_t)length;
}

static gboolean
put_back(VmmPause *pause, const VmmReader *guest, const Saved *saved, const VmmRange *range, guint *n, GError **error)
{
    g_autofree guint8 *now = g_malloc(PIECE_BYTES), *wanted = g_malloc(PIECE_BYTES);

    for (guint64 done = 0; done < range->length; done += PIECE_BYTES) {
        GuestPa pa = guest_pa_add(range->start, done);
        gsize length = MIN(range->length - done, PIECE_BYTES);

        if (!vmm_read(guest, pa, now, length, error) || !read_saved(saved, range, done, wanted, length, error))
            return FALSE;
        for (gsize at = 0; at < length; at += PAGE_BYTES) {
            const VmmChunk chunk = { guest_pa_add(pa, at), wanted + at, MIN(PAGE_BYTES, length - at) };

            if (memcmp(now + at, wanted + at, chunk.length) == 0)
                continue;
            if (!vmm_pause_write(pause, &chunk, 1, error))
                return FALSE;
            (*n)++;
        }
    }
    return TRUE;
}

static gboolean
put_all_back(VmmMachine *machine, VmmPause *pause, Saved *saved, GError **error)
{
    guint n_ranges, n_pages = 0;
    const VmmRange *ranges = vmm_reader_ranges(vmm_machine_reader(machine), &n_ranges);

    for (guint i = 0; i < n_ranges; i++) {
        if (!put_back(pause, vmm_machine_reader(machine), saved, &ranges[i], &n_pages, error))
            return FALSE;
        saved->offset += ranges[i].length;
    }
    fprintf(stderr, "%u pages were changed\n", n_pages);
    return TRUE;
}

static gboolean
restore(VmmMachine *machine, VmmPause *pause, const char *path, gboolean is_firecracker, GError **error)
{
    g_autofree char *name = g_strconcat("core:", path, NULL);
    g_autoptr(VmmMachine) file = is_firecracker ? NULL : vmm_machine_open(name, NULL, error);
    Saved saved = { .reader = file != NULL ? vmm_machine_reader(file) : NULL, .fd = -1 };
    gboolean done;

    if (is_firecracker)
        saved.fd = open(path, O_RDONLY | O_CLOEXEC);
    done = (saved.reader != NULL || saved.fd >= 0) && put_all_back(machine, pause, &saved, error);
    if (saved.fd >= 0)
        close(saved.fd);
    return done;
}

int
main(int argc, char **argv)
{
    gboolean is_firecracker = argc >= 2 && strcmp(argv[1], "--firecracker") == 0;
    char **arguments = argv + (is_firecracker ? 2 : 1);
    g_autoptr(GError) error = NULL;
    g_autoptr(VmmMachine) machine = argc >= (is_firecracker ? 5 : 4) ? vmm_machine_open(arguments[0], NULL, &error) : NULL;
    g_autoptr(VmmPause) pause = machine != NULL ? vmm_pause_begin(machine, &error) : NULL;
    int status = 0;

    if (pause == NULL || !(is_firecracker ? save_as_firecracker : save)(machine, pause, arguments[1], &error)
        || !g_spawn_sync(NULL, arguments + 2, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL, NULL,
                         NULL, &status, &error)
        || !restore(machine, pause, arguments[1], is_firecracker, &error)) {
        fprintf(stderr, "through-file: %s\n", error != NULL ? error->message : strerror(errno));
        return 99;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}
