/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/join.h"

#include <string.h>

#define PAGE_BYTES 4096
#define MAX_GAP 128     /* bytes: about what another message costs */

struct VmmJoined {
    GArray *chunks;         /* of VmmChunk */
    GPtrArray *buffers;     /* of those that are made of several */
};

/* Some of the chunks, one after the other; empty ones among them too. */
typedef struct {
    guint64 start, end;     /* guest-physical */
    gsize first, n;
    gboolean is_shuffled;   /* not in the order of their addresses, in which it will be written */
} Run;

static Run
run_of(const VmmChunk *chunks, gsize index)
{
    guint64 start = chunks[index].pa.value;

    return (Run) { start, start + chunks[index].length, index, 1, FALSE };
}

/* Makes RUN longer by NEXT, if that lies close. Whoever is killed while it is written leaves a part of it: that is to be what
 * writing them one by one would leave. */
static gboolean
extend(Run *run, const Run *next, gsize at_once)
{
    guint64 start = MIN(run->start, next->start), end = MAX(run->end, next->end);
    guint64 covered = (run->end - run->start) + (next->end - next->start);
    gboolean is_shuffled = run->is_shuffled || next->start < run->end;

    if (start / PAGE_BYTES != (end - 1) / PAGE_BYTES || end - start > covered + MAX_GAP
        || (is_shuffled && end - start > at_once))
        return FALSE;
    *run = (Run) { start, end, run->first, next->first + 1 - run->first, is_shuffled };
    return TRUE;
}

static GArray *
find_runs(const VmmChunk *chunks, gsize n_chunks, gsize at_once)
{
    GArray *runs = g_array_new(FALSE, FALSE, sizeof(Run));

    for (gsize i = 0; i < n_chunks; i++) {
        Run next = run_of(chunks, i);

        if (chunks[i].length > 0
            && (runs->len == 0 || !extend(&g_array_index(runs, Run, runs->len - 1), &next, at_once)))
            g_array_append_val(runs, next);
    }
    return runs;
}

static gint
compare_starts(gconstpointer a, gconstpointer b)
{
    guint64 one = ((const Run *)a)->start, other = ((const Run *)b)->start;

    return (one > other) - (one < other);
}

/* What one run has written, another one would write back as it was. */
static gboolean
overlap(const GArray *runs)
{
    g_autoptr(GArray) sorted = g_array_copy((GArray *)runs);

    g_array_sort(sorted, compare_starts);
    for (guint i = 1; i < sorted->len; i++)
        if (g_array_index(sorted, Run, i).start < g_array_index(sorted, Run, i - 1).end)
            return TRUE;
    return FALSE;
}

static gboolean
read_runs(const VmmJoined *joined, const GArray *runs, VmmJoinRead read, gpointer data, GError **error)
{
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE, sizeof(VmmExtent));

    for (guint i = 0; i < runs->len; i++) {
        const Run *run = &g_array_index(runs, Run, i);
        VmmExtent extent = { guest_pa(run->start), NULL, run->end - run->start };

        if (run->n == 1)
            continue;
        extent.buffer = g_malloc(extent.length);
        g_ptr_array_add(joined->buffers, extent.buffer);
        g_array_append_val(extents, extent);
    }
    return extents->len == 0 || read(data, (const VmmExtent *)extents->data, extents->len, error);
}

/* Puts the chunks from FIRST on, up to RUN's last, over what was read. */
static void
overlay(guint8 *bytes, const Run *run, const VmmChunk *chunks, gsize first)
{
    for (gsize i = first; i < run->first + run->n; i++) {
        guint64 start = MAX(run->start, chunks[i].pa.value);
        guint64 end = MIN(run->end, chunks[i].pa.value + chunks[i].length);

        if (start < end)
            memcpy(bytes + (start - run->start), (const guint8 *)chunks[i].data + (start - chunks[i].pa.value), end - start);
    }
}

VmmJoined *
vmm_join(const VmmChunk *chunks, gsize n_chunks, gsize at_once, VmmJoinRead read, gpointer data, GError **error)
{
    g_autoptr(VmmJoined) joined = g_new0(VmmJoined, 1);
    g_autoptr(GArray) runs = find_runs(chunks, n_chunks, at_once);
    gboolean is_tangled = overlap(runs);
    guint n_buffers = 0;

    joined->chunks = g_array_new(FALSE, FALSE, sizeof(VmmChunk));
    joined->buffers = g_ptr_array_new_with_free_func(g_free);
    if (!read_runs(joined, runs, read, data, error))
        return NULL;
    for (guint i = 0; i < runs->len; i++) {
        const Run *run = &g_array_index(runs, Run, i);
        VmmChunk chunk = chunks[run->first];

        if (run->n > 1) {
            guint8 *bytes = joined->buffers->pdata[n_buffers++];

            overlay(bytes, run, chunks, is_tangled ? 0 : run->first);
            chunk = (VmmChunk) { guest_pa(run->start), bytes, run->end - run->start };
        }
        g_array_append_val(joined->chunks, chunk);
    }
    return g_steal_pointer(&joined);
}

void
vmm_joined_free(VmmJoined *joined)
{
    if (joined == NULL)
        return;
    g_array_unref(joined->chunks);
    g_ptr_array_unref(joined->buffers);
    g_free(joined);
}

const VmmChunk *
vmm_joined_chunks(const VmmJoined *joined, gsize *n_chunks)
{
    *n_chunks = joined->chunks->len;
    return (const VmmChunk *)joined->chunks->data;
}
