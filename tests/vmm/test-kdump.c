/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <gio/gio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/flattened.h"
#include "vmm/kdump.h"
#include "vmm/socket.h"

typedef struct {
    gint64 at;
    const char *text;
} Piece;

static void
put_number(GByteArray *out, gint64 value)
{
    gint64 number = GINT64_TO_BE(value);

    g_byte_array_append(out, (const guint8 *)&number, sizeof number);
}

/* N pieces, and what ends them. */
static GByteArray *
flattened(const Piece *pieces, gsize n)
{
    GByteArray *out = g_byte_array_new();

    g_byte_array_append(out, (const guint8 *)"makedumpfile\0\0\0", 16);
    put_number(out, 1);
    put_number(out, 1);
    g_byte_array_set_size(out, 4096);
    for (gsize i = 0; i < n; i++) {
        put_number(out, pieces[i].at);
        put_number(out, strlen(pieces[i].text));
        g_byte_array_append(out, (const guint8 *)pieces[i].text, strlen(pieces[i].text));
    }
    put_number(out, -1);
    put_number(out, -1);
    return out;
}

static int
unflatten(const GByteArray *bytes, gsize cut_off, GError **error)
{
    VMM_AUTO_FD int fd = memfd_create("dump", MFD_CLOEXEC);
    VMM_AUTO_FD int room = vmm_flattened_room();

    g_assert_cmpint(write(fd, bytes->data, bytes->len - cut_off), ==, bytes->len - cut_off);
    g_assert_true(vmm_flattened_is(fd));
    return vmm_flattened_put_together(fd, room, error) ? vmm_fd_steal(&room) : -1;
}

static void
assert_refused(GByteArray *bytes, gsize cut_off, int code)
{
    g_autoptr(GByteArray) owned = bytes;
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(unflatten(owned, cut_off, &error), ==, -1);
    g_assert_error(error, VMM_ERROR, code);
}

/* Later pieces go over earlier ones, as makedumpfile's headers do. */
static void
test_put_together(void)
{
    const Piece pieces[] = { { 8, "later" }, { 0, "xxxxxxxx" }, { 0, "first" } };
    g_autoptr(GByteArray) bytes = flattened(pieces, G_N_ELEMENTS(pieces));
    g_autoptr(GError) error = NULL;
    VMM_AUTO_FD int whole = unflatten(bytes, 0, &error);
    char text[16] = "";

    g_assert_no_error(error);
    g_assert_cmpint(pread(whole, text, sizeof text - 1, 0), ==, 13);
    g_assert_cmpstr(text, ==, "firstxxxlater");
}

static void
test_damaged(void)
{
    const Piece piece = { 0, "some text" }, nowhere = { -2, "text" }, beyond = { G_MAXINT64 - 1, "text" };
    GByteArray *huge = flattened(&piece, 1), *other = flattened(&piece, 1);

    assert_refused(flattened(&piece, 1), 1, VMM_ERROR_PROTOCOL);
    assert_refused(flattened(&piece, 1), 20, VMM_ERROR_PROTOCOL);
    assert_refused(flattened(&nowhere, 1), 0, VMM_ERROR_PROTOCOL);
    assert_refused(flattened(&beyond, 1), 0, VMM_ERROR_PROTOCOL);
    memset(huge->data + 4096 + 8, 0x11, 8);     /* its length */
    assert_refused(huge, 0, VMM_ERROR_PROTOCOL);
    other->data[23] = 2;
    assert_refused(other, 0, VMM_ERROR_PROTOCOL);
}

static void
test_no_room(void)
{
    const Piece far = { 1LL << 62, "where no file reaches" };

    g_autoptr(GError) error = NULL;

    assert_refused(flattened(&far, 1), 0, VMM_ERROR_UNREACHABLE);
    g_assert_false(vmm_flattened_put_together(-1, -1, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE);
}

/* --- A compressed one, of four pages: A at 0, B and C from 2 on, D at 9; its blocks in their order */

#define PAGE 4096
#define NOTE_BYTES (20 + 440)
enum { HEADER, SUB_HEADER, FIRST_BITMAP, SECOND_BITMAP, DESCRIPTORS, REST };

static const guint pfns[] = { 0, 2, 3, 9 };

typedef struct {
    guint64 at;
    guint32 length, flags;
    guint64 page_flags;
} Descriptor;

static guint8 *
at(GByteArray *bytes, gsize offset)
{
    return bytes->data + offset;
}

static void
put_u32(GByteArray *bytes, gsize offset, guint32 value)
{
    memcpy(at(bytes, offset), &value, sizeof value);
}

static void
put_u64(GByteArray *bytes, gsize offset, guint64 value)
{
    memcpy(at(bytes, offset), &value, sizeof value);
}

static void
put_note(GByteArray *bytes)
{
    guint8 note[NOTE_BYTES] = { 5, 0, 0, 0, 440 & 0xff, 440 >> 8, [12] = 'Q', 'E', 'M', 'U', [20] = 1, [24] = 440 & 0xff, 1 };

    put_u64(bytes, SUB_HEADER * PAGE + 48, bytes->len);
    put_u64(bytes, SUB_HEADER * PAGE + 56, sizeof note);
    g_byte_array_append(bytes, note, sizeof note);
}

/* The page is filled with one letter, and compressed unless that is D. */
static void
put_page(GByteArray *bytes, guint number)
{
    g_autoptr(GZlibCompressor) compressor = g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB, -1);
    guint8 page[PAGE], packed[PAGE];
    Descriptor descriptor = { .at = bytes->len, .length = PAGE };
    gsize taken, length;

    memset(page, 'A' + number, sizeof page);
    if (number == 3) {
        g_byte_array_append(bytes, page, sizeof page);
    } else {
        g_assert_cmpint(g_converter_convert(G_CONVERTER(compressor), page, sizeof page, packed, sizeof packed,
                                            G_CONVERTER_INPUT_AT_END, &taken, &length, NULL), ==, G_CONVERTER_FINISHED);
        descriptor.length = length;
        descriptor.flags = 1;
        g_byte_array_append(bytes, packed, length);
    }
    memcpy(at(bytes, DESCRIPTORS * PAGE + number * sizeof descriptor), &descriptor, sizeof descriptor);
}

static GByteArray *
compressed(void)
{
    GByteArray *bytes = g_byte_array_new();

    g_byte_array_set_size(bytes, REST * PAGE);
    memset(bytes->data, 0, bytes->len);
    memcpy(bytes->data, "KDUMP   \6", 9);
    put_u32(bytes, 428, PAGE);
    put_u32(bytes, 432, 1);
    put_u32(bytes, 436, 2);
    for (guint i = 0; i < G_N_ELEMENTS(pfns); i++) {
        *at(bytes, FIRST_BITMAP * PAGE + pfns[i] / 8) |= 1 << pfns[i] % 8;
        *at(bytes, SECOND_BITMAP * PAGE + pfns[i] / 8) |= 1 << pfns[i] % 8;
    }
    *at(bytes, FIRST_BITMAP * PAGE) |= 0xff;        /* there in the machine, but not in the dump */
    put_note(bytes);
    for (guint i = 0; i < G_N_ELEMENTS(pfns); i++)
        put_page(bytes, i);
    return bytes;
}

static VmmMachine *
open_bytes(const GByteArray *bytes, const char *kind, GError **error)
{
    VMM_AUTO_FD int fd = memfd_create("dump", MFD_CLOEXEC);
    g_autofree char *name = g_strdup_printf("%s:/proc/self/fd/%d", kind, fd);

    g_assert_cmpint(write(fd, bytes->data, bytes->len), ==, bytes->len);
    return vmm_machine_open(name, NULL, error);
}

static void
test_compressed(void)
{
    g_autoptr(GByteArray) bytes = compressed();
    g_autoptr(GError) error = NULL;
    g_autoptr(VmmMachine) machine = open_bytes(bytes, "core", &error);
    const VmmReader *reader;
    const VmmRange *ranges;
    char text[5] = "", page[2 * PAGE];
    guint n;

    g_assert_no_error(error);
    reader = vmm_machine_reader(machine);
    ranges = vmm_reader_ranges(reader, &n);
    g_assert_cmpuint(n, ==, 3);
    g_assert_cmphex(ranges[1].start.value, ==, 2 * PAGE);
    g_assert_cmphex(ranges[1].length, ==, 2 * PAGE);
    g_assert_cmpuint(vmm_reader_n_vcpus(reader), ==, 1);
    for (guint i = 0; i < 2; i++) {     /* the second time from what is kept */
        g_assert_true(vmm_read(reader, guest_pa(3 * PAGE - 2), text, 4, &error));
        g_assert_cmpstr(text, ==, "BBCC");
    }
    g_assert_true(vmm_read(reader, guest_pa(9 * PAGE + 7), text, 4, &error));
    g_assert_cmpstr(text, ==, "DDDD");
    g_assert_true(vmm_read(reader, guest_pa(2 * PAGE), page, sizeof page, &error));
    g_assert_cmpint(page[0], ==, 'B');
    g_assert_cmpint(page[2 * PAGE - 1], ==, 'C');
    g_assert_false(vmm_read(reader, guest_pa(PAGE), text, 1, NULL));
    g_assert_null(open_bytes(bytes, "saved", &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED);
}

/* As QEMU writes it: here, the first half after the second one. */
static void
test_flattened_and_compressed(void)
{
    g_autoptr(GByteArray) bytes = compressed(), out = flattened(NULL, 0);
    gsize half = bytes->len / 2;
    g_autoptr(VmmMachine) machine = NULL;
    char text[2] = "";

    g_byte_array_set_size(out, 4096);
    put_number(out, half);
    put_number(out, bytes->len - half);
    g_byte_array_append(out, at(bytes, half), bytes->len - half);
    put_number(out, 0);
    put_number(out, half);
    g_byte_array_append(out, bytes->data, half);
    put_number(out, -1);
    put_number(out, -1);
    machine = open_bytes(out, "core", NULL);
    g_assert_nonnull(machine);
    g_assert_true(vmm_read(vmm_machine_reader(machine), guest_pa(2 * PAGE), text, 1, NULL));
    g_assert_cmpstr(text, ==, "B");
    g_assert_null(open_bytes(out, "saved", NULL));
}

/* What the headers say wrong keeps it from being opened, what a descriptor says from reading that page. */
static void
assert_no_kdump(gsize offset, guint32 value, int code)
{
    g_autoptr(GByteArray) bytes = compressed();
    g_autoptr(GError) error = NULL;

    put_u32(bytes, offset, value);
    g_assert_null(open_bytes(bytes, "core", &error));
    g_assert_error(error, VMM_ERROR, code);
}

static void
assert_no_page(gsize offset, guint32 value, int code)
{
    g_autoptr(GByteArray) bytes = compressed();
    g_autoptr(GError) error = NULL;
    g_autoptr(VmmMachine) machine = NULL;
    char byte;

    put_u32(bytes, DESCRIPTORS * PAGE + offset, value);
    machine = open_bytes(bytes, "core", &error);
    g_assert_no_error(error);
    g_assert_false(vmm_read(vmm_machine_reader(machine), guest_pa(0), &byte, 1, &error));
    g_assert_error(error, VMM_ERROR, code);
    g_assert_true(vmm_read(vmm_machine_reader(machine), guest_pa(2 * PAGE), &byte, 1, NULL));
}

static void
test_compressed_and_damaged(void)
{
    g_autoptr(GByteArray) cut = compressed();
    g_autoptr(GError) error = NULL;

    assert_no_kdump(8, 3, VMM_ERROR_UNSUPPORTED);                       /* version */
    assert_no_kdump(428, 65536, VMM_ERROR_UNSUPPORTED);                 /* size of blocks */
    assert_no_kdump(PAGE + 12, 1, VMM_ERROR_UNSUPPORTED);               /* one part of several */
    assert_no_kdump(432, G_MAXUINT32, VMM_ERROR_PROTOCOL);              /* blocks of the second header */
    assert_no_kdump(436, G_MAXUINT32 - 1, VMM_ERROR_PROTOCOL);          /* of the bitmaps */
    assert_no_kdump(436, 60000, VMM_ERROR_PROTOCOL);
    assert_no_kdump(436, 3, VMM_ERROR_PROTOCOL);
    assert_no_kdump(436, 0, VMM_ERROR_UNSUPPORTED);
    assert_no_kdump(PAGE + 52, G_MAXUINT32, VMM_ERROR_PROTOCOL);        /* where its notes are */
    assert_no_kdump(PAGE + 56, G_MAXUINT32, VMM_ERROR_PROTOCOL);        /* how many bytes */
    assert_no_kdump(PAGE + 56, 0, VMM_ERROR_UNSUPPORTED);
    assert_no_page(0, 0x7fffffff, VMM_ERROR_PROTOCOL);
    assert_no_page(4, G_MAXUINT32, VMM_ERROR_PROTOCOL);
    assert_no_page(8, PAGE + 1, VMM_ERROR_PROTOCOL);
    assert_no_page(8, 3, VMM_ERROR_PROTOCOL);
    assert_no_page(8, 0, VMM_ERROR_PROTOCOL);
    assert_no_page(12, 0, VMM_ERROR_PROTOCOL);                          /* as if it were not compressed */
    assert_no_page(12, 2, VMM_ERROR_UNSUPPORTED);
    g_byte_array_set_size(cut, 100);
    g_assert_null(open_bytes(cut, "core", &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmm/kdump/put-together", test_put_together);
    g_test_add_func("/vmm/kdump/damaged", test_damaged);
    g_test_add_func("/vmm/kdump/no-room", test_no_room);
    g_test_add_func("/vmm/kdump/compressed", test_compressed);
    g_test_add_func("/vmm/kdump/flattened-and-compressed", test_flattened_and_compressed);
    g_test_add_func("/vmm/kdump/compressed-and-damaged", test_compressed_and_damaged);
    return g_test_run();
}
