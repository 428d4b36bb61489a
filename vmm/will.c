/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/will.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/file.h"
#include "vmm/socket.h"

/* Where the text of a will begins: behind the head, in a page of its own. */
#define FIRST_TEXT 4096

/* At the start of the file. It is written by one call within one page, which a kill does not interrupt. */
typedef struct {
    guint64 offset, length;     /* of the text, in the file; of length 0 if there is none */
    guint64 n_chunks;
} Head;

/* The text: one of these for each chunk, then all their bytes. */
typedef struct {
    guint64 pa, length;
} Entry;

struct VmmWill {
    int fd;
};

VmmWill *
vmm_will_new(GError **error)
{
    VmmWill *will = g_new0(VmmWill, 1);

    will->fd = memfd_create("virt-livepatch-will", MFD_CLOEXEC);
    if (will->fd >= 0)
        return will;
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "cannot share memory with the process that guards the guest: %s",
                g_strerror(errno));
    vmm_will_free(will);
    return NULL;
}

void
vmm_will_free(VmmWill *will)
{
    if (will == NULL)
        return;
    vmm_fd_clear(&will->fd);
    g_free(will);
}

int
vmm_will_fd(const VmmWill *will)
{
    return will->fd;
}

/* A file that has never been written to holds an empty one. */
static Head
read_head(const VmmWill *will)
{
    Head head = { 0 };

    return vmm_file_read(will->fd, 0, &head, sizeof head) ? head : (Head) { 0 };
}

static GByteArray *
make_text(const VmmChunk *proof, const VmmChunk *chunks, gsize n_chunks)
{
    GByteArray *text = g_byte_array_new();

    for (gsize i = 0; i <= n_chunks; i++) {
        const VmmChunk *chunk = i == 0 ? proof : &chunks[i - 1];
        Entry entry = { chunk->pa.value, chunk->length };

        g_byte_array_append(text, (const guint8 *)&entry, sizeof entry);
    }
    for (gsize i = 0; i <= n_chunks; i++) {
        const VmmChunk *chunk = i == 0 ? proof : &chunks[i - 1];

        g_byte_array_append(text, chunk->data, chunk->length);
    }
    return text;
}

gboolean
vmm_will_write(VmmWill *will, const VmmChunk *proof, const VmmChunk *chunks, gsize n_chunks, GError **error)
{
    g_autoptr(GByteArray) text = make_text(proof, chunks, n_chunks);
    const Head old = read_head(will);
    Head head = { .offset = FIRST_TEXT, .length = text->len, .n_chunks = n_chunks + 1 };

    if (old.length != 0 && old.offset < FIRST_TEXT + head.length)
        head.offset = old.offset + old.length;
    if (vmm_file_write(will->fd, head.offset, text->data, text->len) && vmm_file_write(will->fd, 0, &head, sizeof head))
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "no memory for what would have to be put back in the guest: %s",
                g_strerror(errno));
    return FALSE;
}

void
vmm_will_clear(VmmWill *will)
{
    const Head head = { 0 };

    vmm_file_write(will->fd, 0, &head, sizeof head);
}

gboolean
vmm_will_is_empty(const VmmWill *will)
{
    return read_head(will).length == 0;
}

GArray *
vmm_will_read(const VmmWill *will, GBytes **store)
{
    const Head head = read_head(will);
    g_autoptr(GArray) chunks = g_array_new(FALSE, FALSE, sizeof(VmmChunk));
    guint8 *text = g_malloc(head.length);
    const guint8 *bytes = text + head.n_chunks * sizeof(Entry);

    *store = g_bytes_new_take(text, head.length);
    if (!vmm_file_read(will->fd, head.offset, text, head.length))
        return NULL;
    for (guint64 i = 0; i < head.n_chunks; i++) {
        Entry entry;
        VmmChunk chunk;

        memcpy(&entry, text + i * sizeof entry, sizeof entry);
        chunk = (VmmChunk) { guest_pa(entry.pa), bytes, entry.length };
        g_array_append_val(chunks, chunk);
        bytes += entry.length;
    }
    return g_steal_pointer(&chunks);
}
