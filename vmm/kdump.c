/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/kdump.h"

#include <gio/gio.h>
#include <string.h>

#include "vmm/file.h"

#define SIGNATURE "KDUMP   "
#define PAGE_BYTES 4096U
#define FIRST_WITH_NOTES 4              /* version of the format; since then all lengths are of 64 bits, too */
#define MAX_NOTES_BYTES (8U << 20)
#define MAX_BITMAP_BLOCKS (2U << 15)    /* of 4 TiB of memory */
#define MAX_SUB_HEADER_BLOCKS 4096
#define MAX_SEGMENTS (1U << 20)
#define CACHED_PAGES 1024               /* a power of two */

/* What is of interest of the first block, at HEADER_AT; all of x86-64's layout. */
#define VERSION_AT 8
#define HEADER_AT 428
typedef struct {
    guint32 block_bytes, n_sub_header_blocks, n_bitmap_blocks;
} Header;

/* The second one. */
typedef struct {
    guint64 phys_base;
    gint32 dump_level, is_split;
    guint64 start_pfn, end_pfn, vmcoreinfo_at, vmcoreinfo_bytes, notes_at, notes_bytes;
} SubHeader;

typedef struct {
    guint64 at;
    guint32 length, flags;
    guint64 page_flags;
} Descriptor;

G_STATIC_ASSERT(sizeof(SubHeader) == 64 && sizeof(Descriptor) == 24);

#define FLAG_ZLIB 1
#define FLAGS_OTHER (2 | 4 | 0x20)      /* LZO, Snappy, Zstandard */

typedef struct {
    guint64 descriptor_at;              /* 0: nothing yet */
    guint8 bytes[PAGE_BYTES];
} CachedPage;

struct VmmKdump {
    int fd;
    GZlibDecompressor *decompressor;
    CachedPage *cache;
};

gboolean
vmm_kdump_is(int fd)
{
    char start[sizeof SIGNATURE - 1];

    return vmm_file_read(fd, 0, start, sizeof start) && memcmp(start, SIGNATURE, sizeof start) == 0;
}

static gboolean
read_headers(int fd, Header *header, SubHeader *sub_header, GError **error)
{
    guint32 version;

    if (!vmm_file_read(fd, VERSION_AT, &version, sizeof version) || !vmm_file_read(fd, HEADER_AT, header, sizeof *header)
        || !vmm_file_read(fd, PAGE_BYTES, sub_header, sizeof *sub_header))
        return vmm_file_set_damaged(error, "its headers are not there");
    if (version < FIRST_WITH_NOTES || header->block_bytes != PAGE_BYTES || sub_header->is_split != 0) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "this is a kdump of an unknown kind, or a part of one; "
                            "dump again as ELF, which is what 'virsh dump --memory-only' does unless told otherwise");
        return FALSE;
    }
    if (header->n_sub_header_blocks > MAX_SUB_HEADER_BLOCKS || header->n_bitmap_blocks > MAX_BITMAP_BLOCKS
        || header->n_bitmap_blocks % 2 != 0 || sub_header->notes_bytes > MAX_NOTES_BYTES)
        return vmm_file_set_damaged(error, "its headers are impossible");
    return TRUE;
}

static gboolean
add_vcpus(int fd, const SubHeader *sub_header, VmmCoreFile *file, GError **error)
{
    g_autofree guint8 *bytes = g_malloc(sub_header->notes_bytes + 1);

    return vmm_file_read(fd, sub_header->notes_at, bytes, sub_header->notes_bytes)
               ? vmm_core_file_add_notes(file, bytes, sub_header->notes_bytes, error)
               : vmm_file_set_damaged(error, "its notes are not there");
}

/* One page more, whose descriptor is at DESCRIPTOR_AT. */
static gboolean
add_page(VmmCoreFile *file, guint64 pfn, guint64 descriptor_at)
{
    GArray *segments = file->segments;
    VmmCoreSegment *last = segments->len > 0 ? &g_array_index(segments, VmmCoreSegment, segments->len - 1) : NULL;
    const VmmCoreSegment first = { { guest_pa(pfn * PAGE_BYTES), PAGE_BYTES }, descriptor_at };

    if (last != NULL && last->range.start.value + last->range.length == first.range.start.value)
        last->range.length += PAGE_BYTES;
    else
        g_array_append_val(segments, first);
    return segments->len <= MAX_SEGMENTS;
}

/* The second bitmap tells which pages have a descriptor; those are in the same order. */
static gboolean
add_memory(int fd, const Header *header, VmmCoreFile *file, GError **error)
{
    guint64 bitmaps_at = (1 + (guint64)header->n_sub_header_blocks) * PAGE_BYTES, n = header->n_bitmap_blocks / 2, pfn = 0;
    guint64 descriptor_at = bitmaps_at + 2 * n * PAGE_BYTES;
    guint8 block[PAGE_BYTES];

    for (guint64 i = 0; i < n; i++) {
        if (!vmm_file_read(fd, bitmaps_at + (n + i) * PAGE_BYTES, block, sizeof block))
            return vmm_file_set_damaged(error, "its bitmap of pages is not there");
        for (guint byte = 0; byte < PAGE_BYTES; byte++, pfn += 8)
            for (guint bits = block[byte]; bits != 0; bits &= bits - 1) {
                if (!add_page(file, pfn + g_bit_nth_lsf(bits, -1), descriptor_at))
                    return vmm_file_set_damaged(error, "its memory is in more pieces than any machine's");
                descriptor_at += sizeof(Descriptor);
            }
    }
    return TRUE;
}

VmmKdump *
vmm_kdump_new(int fd, VmmCoreFile *file, GError **error)
{
    VmmKdump *kdump;
    Header header;
    SubHeader sub_header;

    if (!read_headers(fd, &header, &sub_header, error) || !add_vcpus(fd, &sub_header, file, error)
        || !add_memory(fd, &header, file, error) || !vmm_core_file_is_complete(file, error))
        return NULL;
    kdump = g_new0(VmmKdump, 1);
    kdump->fd = fd;
    kdump->decompressor = g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB);
    kdump->cache = g_new0(CachedPage, CACHED_PAGES);
    return kdump;
}

void
vmm_kdump_free(VmmKdump *kdump)
{
    if (kdump == NULL)
        return;
    g_object_unref(kdump->decompressor);
    g_free(kdump->cache);
    g_free(kdump);
}

static gboolean
decompress(VmmKdump *kdump, const guint8 *packed, gsize length, guint8 *page)
{
    GConverter *converter = G_CONVERTER(kdump->decompressor);
    gsize taken, made;

    g_converter_reset(converter);
    return g_converter_convert(converter, packed, length, page, PAGE_BYTES, G_CONVERTER_INPUT_AT_END, &taken, &made, NULL)
               == G_CONVERTER_FINISHED
           && made == PAGE_BYTES;
}

static gboolean
read_page(VmmKdump *kdump, guint64 descriptor_at, guint8 *page, GError **error)
{
    guint8 packed[PAGE_BYTES];
    Descriptor descriptor;

    if (!vmm_file_read(kdump->fd, descriptor_at, &descriptor, sizeof descriptor) || descriptor.length > PAGE_BYTES
        || !vmm_file_read(kdump->fd, descriptor.at, packed, descriptor.length))
        return vmm_file_set_damaged(error, "a page of its memory is not there");
    if ((descriptor.flags & FLAGS_OTHER) != 0) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "the memory image is compressed by other means than zlib; "
                            "dump again as kdump-zlib, or as ELF");
        return FALSE;
    }
    if ((descriptor.flags & FLAG_ZLIB) != 0)
        return decompress(kdump, packed, descriptor.length, page) || vmm_file_set_damaged(error, "a page cannot be decompressed");
    if (descriptor.length != PAGE_BYTES)
        return vmm_file_set_damaged(error, "a page is no page");
    memcpy(page, packed, PAGE_BYTES);
    return TRUE;
}

gboolean
vmm_kdump_read(VmmKdump *kdump, const VmmCoreSegment *segment, guint64 pa, void *buffer, gsize length, GError **error)
{
    while (length > 0) {
        guint64 index = (pa - segment->range.start.value) / PAGE_BYTES;
        guint64 descriptor_at = segment->offset + index * sizeof(Descriptor);
        CachedPage *page = &kdump->cache[pa / PAGE_BYTES % CACHED_PAGES];
        gsize n = MIN(length, PAGE_BYTES - pa % PAGE_BYTES);

        if (page->descriptor_at != descriptor_at) {
            page->descriptor_at = 0;
            if (!read_page(kdump, descriptor_at, page->bytes, error))
                return FALSE;
            page->descriptor_at = descriptor_at;
        }
        memcpy(buffer, page->bytes + pa % PAGE_BYTES, n);
        buffer = (char *)buffer + n;
        pa += n;
        length -= n;
    }
    return TRUE;
}
