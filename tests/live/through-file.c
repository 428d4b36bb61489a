/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Saves a guest, has something done to the file, and restores it: what a machine's own save and restore do, for a machine
 * that has none of its own that could be used.
 *
 *   through-file GUEST FILE COMMAND...   pauses GUEST, saves memory and registers to FILE, runs COMMAND, puts what that
 *                                        changed in FILE back into memory, and lets GUEST run on; exit status of COMMAND
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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
put_back(VmmPause *pause, const VmmReader *guest, const VmmReader *file, const VmmRange *range, guint *n, GError **error)
{
    g_autofree guint8 *now = g_malloc(PIECE_BYTES), *wanted = g_malloc(PIECE_BYTES);

    for (guint64 done = 0; done < range->length; done += PIECE_BYTES) {
        GuestPa pa = guest_pa_add(range->start, done);
        gsize length = MIN(range->length - done, PIECE_BYTES);

        if (!vmm_read(guest, pa, now, length, error) || !vmm_read(file, pa, wanted, length, error))
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
restore(VmmMachine *machine, VmmPause *pause, const char *path, GError **error)
{
    g_autofree char *name = g_strconcat("core:", path, NULL);
    g_autoptr(VmmMachine) file = vmm_machine_open(name, NULL, error);
    guint n_ranges, n_pages = 0;
    const VmmRange *ranges;

    if (file == NULL)
        return FALSE;
    ranges = vmm_reader_ranges(vmm_machine_reader(file), &n_ranges);
    for (guint i = 0; i < n_ranges; i++)
        if (!put_back(pause, vmm_machine_reader(machine), vmm_machine_reader(file), &ranges[i], &n_pages, error))
            return FALSE;
    fprintf(stderr, "%u pages were changed\n", n_pages);
    return TRUE;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmmMachine) machine = argc >= 4 ? vmm_machine_open(argv[1], NULL, &error) : NULL;
    g_autoptr(VmmPause) pause = machine != NULL ? vmm_pause_begin(machine, &error) : NULL;
    int status = 0;

    if (pause == NULL || !save(machine, pause, argv[2], &error)
        || !g_spawn_sync(NULL, argv + 3, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL, NULL, NULL,
                         &status, &error)
        || !restore(machine, pause, argv[2], &error)) {
        fprintf(stderr, "through-file: %s\n", error != NULL ? error->message : strerror(errno));
        return 99;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}
