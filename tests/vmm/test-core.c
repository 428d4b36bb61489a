/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/backend.h"
#include "vmm/socket.h"

#define NOTE_BYTES 440
#define NOTE_HEADER 20      /* with the owner's name, padded */
#define AT(register_number) (8 + 8 * (register_number))

typedef struct {
    GByteArray *bytes;
    Elf64_Phdr segments[6];
    guint n_segments;
} Image;

static void
image_add(Image *image, guint32 type, guint64 pa, const void *data, gsize length)
{
    image->segments[image->n_segments++] = (Elf64_Phdr) {
        .p_type = type, .p_paddr = pa, .p_offset = image->bytes->len, .p_filesz = length, .p_memsz = length,
    };
    g_byte_array_append(image->bytes, data, length);
}

/* Registers hold their offset in the note, plus the vCPU's number in the highest byte. */
static void
image_add_note(Image *image, guint vcpu, gsize desc_bytes)
{
    guint8 note[NOTE_HEADER + NOTE_BYTES] = { 5, 0, 0, 0, desc_bytes & 0xff, desc_bytes >> 8, [12] = 'Q', 'E', 'M', 'U' };
    guint32 *sizes = (gpointer)(note + NOTE_HEADER);

    for (gsize at = 8; at < NOTE_BYTES; at += 8) {
        guint64 value = (guint64)vcpu << 56 | at;

        memcpy(note + NOTE_HEADER + at, &value, sizeof value);
    }
    note[NOTE_HEADER + 392 + 3] |= 0x80;    /* CR0.PG */
    note[NOTE_HEADER + 392 + 4 * 8] |= 0x20;    /* CR4.PAE */
    sizes[0] = 1;
    sizes[1] = desc_bytes;
    image_add(image, PT_NOTE, 0, note, NOTE_HEADER + desc_bytes);
}

static Image
image_new(void)
{
    Image image = { .bytes = g_byte_array_new() };

    g_byte_array_set_size(image.bytes, sizeof(Elf64_Ehdr) + sizeof image.segments);
    return image;
}

static int
image_finish(Image *image, gsize cut_off)
{
    Elf64_Ehdr header = {
        .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_phoff = sizeof header,
        .e_ehsize = sizeof header, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = image->n_segments,
    };
    int fd = memfd_create("core", MFD_CLOEXEC);
    gsize length = image->bytes->len - cut_off;

    memcpy(image->bytes->data, &header, sizeof header);
    memcpy(image->bytes->data + sizeof header, image->segments, sizeof image->segments);
    g_assert_cmpint(write(fd, image->bytes->data, length), ==, length);
    g_byte_array_unref(image->bytes);
    return fd;
}

static VmmMachine *
open_fd(int fd, GError **error)
{
    g_autofree char *guest = g_strdup_printf("core:/proc/self/fd/%d", fd);

    return vmm_machine_open(guest, NULL, error);
}

static void
assert_refused(int fd, int code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(open_fd(fd, &error));
    g_assert_error(error, VMM_ERROR, code);
    close(fd);
}

static void
test_memory(void)
{
    VMM_AUTO_FD int fd = -1;
    Image image = image_new();
    g_autoptr(VmmMachine) machine = NULL;
    const VmmRange *ranges;
    char buffer[8] = "";
    guint n;

    image_add_note(&image, 0, NOTE_BYTES);
    image_add(&image, PT_LOAD, 0x5000, "later", 5);
    image_add(&image, PT_LOAD, 0x1004, "45678", 5);     /* overlaps the next one, and says the same */
    image_add(&image, PT_LOAD, 0x1000, "012345", 6);
    image_add(&image, PT_LOAD, G_MAXUINT64, "", 0);     /* not in the image */
    fd = image_finish(&image, 0);
    machine = open_fd(fd, NULL);
    g_assert_nonnull(machine);
    ranges = vmm_reader_ranges(vmm_machine_reader(machine), &n);
    g_assert_cmpuint(n, ==, 2);
    g_assert_cmphex(ranges[0].start.value, ==, 0x1000);
    g_assert_cmpuint(ranges[0].length, ==, 9);
    g_assert_true(vmm_read(vmm_machine_reader(machine), guest_pa(0x1002), buffer, 7, NULL));
    g_assert_cmpstr(buffer, ==, "2345678");
    g_assert_true(vmm_read(vmm_machine_reader(machine), guest_pa(0x5000), buffer, 5, NULL));
    g_assert_cmpstr(buffer, ==, "later78");
    g_assert_false(vmm_read(vmm_machine_reader(machine), guest_pa(0x1002), buffer, 8, NULL));
}

static void
test_registers(void)
{
    VMM_AUTO_FD int fd = -1;
    Image image = image_new();
    g_autoptr(VmmMachine) machine = NULL;
    VmmVcpu vcpu;

    image_add_note(&image, 0, NOTE_BYTES);
    image_add_note(&image, 1, NOTE_BYTES - 8);      /* as QEMU wrote it before 3.1 */
    image_add(&image, PT_LOAD, 0, "x", 1);
    fd = image_finish(&image, 0);
    machine = open_fd(fd, NULL);
    g_assert_cmpuint(vmm_reader_n_vcpus(vmm_machine_reader(machine)), ==, 2);
    g_assert_true(vmm_reader_peek_vcpu(vmm_machine_reader(machine), 0, &vcpu, NULL));
    g_assert_cmphex(vcpu.gpr[VMM_RBX], ==, AT(1));
    g_assert_cmphex(vcpu.gpr[VMM_RSP], ==, AT(6));
    g_assert_cmphex(vcpu.gpr[VMM_RBP], ==, AT(7));
    g_assert_cmphex(vcpu.gpr[VMM_R15], ==, AT(15));
    g_assert_cmphex(vcpu.rip, ==, 136);
    g_assert_cmphex(vcpu.eflags, ==, 144);
    g_assert_cmphex(vcpu.cs, ==, 152);
    g_assert_cmphex(vcpu.ss, ==, 272);
    g_assert_cmphex(vcpu.gs_base, ==, 248 + 16);
    g_assert_cmphex(vcpu.kernel_gs_base, ==, 432);
    g_assert_cmphex(vcpu.cr3, ==, 392 + 3 * 8);
    g_assert_cmphex(vcpu.efer, ==, VMM_EFER_LMA);
    g_assert_true(vmm_reader_peek_vcpu(vmm_machine_reader(machine), 1, &vcpu, NULL));
    g_assert_cmphex(vcpu.rip, ==, 1ULL << 56 | 136);
    g_assert_cmphex(vcpu.kernel_gs_base, ==, 0);
    g_assert_false(vmm_reader_peek_vcpu(vmm_machine_reader(machine), 2, &vcpu, NULL));
}

static void
test_only_to_be_looked_at(void)
{
    VMM_AUTO_FD int fd = -1;
    Image image = image_new();
    g_autoptr(VmmMachine) machine = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *state = NULL;
    gboolean running = TRUE;

    image_add_note(&image, 0, NOTE_BYTES);
    image_add(&image, PT_LOAD, 0, "x", 1);
    fd = image_finish(&image, 0);
    machine = open_fd(fd, NULL);
    g_assert_true(vmm_machine_is_image(machine));
    g_assert_true(vmm_machine_is_running(machine, &running, &state, NULL));
    g_assert_false(running);
    g_assert_cmpstr(state, ==, "memory image");
    g_assert_null(vmm_pause_begin(machine, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED);
}

static void
test_damaged(void)
{
    Image image = image_new();

    image_add_note(&image, 0, NOTE_BYTES);
    image_add(&image, PT_LOAD, 0, "cut off here", 12);
    assert_refused(image_finish(&image, 1), VMM_ERROR_PROTOCOL);

    image = image_new();
    image_add_note(&image, 0, NOTE_BYTES);
    image_add(&image, PT_LOAD, G_MAXUINT64 - 2, "beyond", 6);
    assert_refused(image_finish(&image, 0), VMM_ERROR_PROTOCOL);

    image = image_new();
    image_add_note(&image, 0, NOTE_BYTES);
    image_add(&image, PT_LOAD, 0, "x", 1);
    image.segments[1].p_offset = G_MAXUINT64;
    assert_refused(image_finish(&image, 0), VMM_ERROR_PROTOCOL);

    image = image_new();
    image_add_note(&image, 0, 100);
    image_add(&image, PT_LOAD, 0, "x", 1);
    assert_refused(image_finish(&image, 0), VMM_ERROR_PROTOCOL);

    image = image_new();
    image_add(&image, PT_NOTE, 0, "x", 1);
    image.segments[0].p_filesz = 1ULL << 40;
    assert_refused(image_finish(&image, 0), VMM_ERROR_PROTOCOL);

    image = image_new();
    image.n_segments = 200;     /* more than the file has room for */
    assert_refused(image_finish(&image, 0), VMM_ERROR_PROTOCOL);
}

/* Holes make a file large for nothing, and what it says of itself must not make us so. */
static void
test_swollen(void)
{
    Image image = image_new();
    VMM_AUTO_FD int notes = -1, sections = -1;
    Elf64_Ehdr header;

    image_add_note(&image, 0, NOTE_BYTES);
    image_add(&image, PT_LOAD, 0, "x", 1);
    for (guint i = 0; i < 4; i++) {
        image_add(&image, PT_NOTE, 0, "", 0);
        image.segments[image.n_segments - 1].p_filesz = 30 << 20;
    }
    notes = image_finish(&image, 0);
    g_assert_cmpint(ftruncate(notes, 64 << 20), ==, 0);
    assert_refused(vmm_fd_steal(&notes), VMM_ERROR_PROTOCOL);

    image = image_new();
    image_add_note(&image, 0, NOTE_BYTES);
    image_add(&image, PT_LOAD, 0, "x", 1);
    sections = image_finish(&image, 0);
    g_assert_cmpint(ftruncate(sections, 64 << 20), ==, 0);
    g_assert_cmpint(pread(sections, &header, sizeof header, 0), ==, sizeof header);
    header.e_shoff = 1 << 20;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = 60000;
    g_assert_cmpint(pwrite(sections, &header, sizeof header, 0), ==, sizeof header);
    assert_refused(vmm_fd_steal(&sections), VMM_ERROR_PROTOCOL);
}

static void
test_became_shorter(void)
{
    VMM_AUTO_FD int fd = -1;
    Image image = image_new();
    g_autoptr(VmmMachine) machine = NULL;
    g_autoptr(GError) error = NULL;
    char buffer[4];

    image_add_note(&image, 0, NOTE_BYTES);
    image_add(&image, PT_LOAD, 0, "four", 4);
    fd = image_finish(&image, 0);
    machine = open_fd(fd, NULL);
    g_assert_cmpint(ftruncate(fd, 100), ==, 0);
    g_assert_false(vmm_read(vmm_machine_reader(machine), guest_pa(0), buffer, 4, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_LOST);
}

static void
test_other_files(void)
{
    const char *const others[] = { "", "text", "makedumpfile\0\1", "\177ELF" };
    Image image = image_new();

    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        int fd = memfd_create("other", MFD_CLOEXEC);

        g_assert_cmpint(write(fd, others[i], strlen(others[i])), >=, 0);
        assert_refused(fd, VMM_ERROR_UNSUPPORTED);
    }
    image_add(&image, PT_LOAD, 0, "no registers", 12);
    assert_refused(image_finish(&image, 0), VMM_ERROR_UNSUPPORTED);
    image = image_new();
    image_add_note(&image, 0, NOTE_BYTES);
    assert_refused(image_finish(&image, 0), VMM_ERROR_UNSUPPORTED);
    assert_refused(open("/dev/null", O_RDONLY), VMM_ERROR_UNREACHABLE);
    assert_refused(open("/", O_RDONLY), VMM_ERROR_UNREACHABLE);
}

static void
test_no_file(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(vmm_machine_open("core:/nonexistent/image", NULL, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_NOT_FOUND);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmm/core/memory", test_memory);
    g_test_add_func("/vmm/core/registers", test_registers);
    g_test_add_func("/vmm/core/only-to-be-looked-at", test_only_to_be_looked_at);
    g_test_add_func("/vmm/core/damaged", test_damaged);
    g_test_add_func("/vmm/core/swollen", test_swollen);
    g_test_add_func("/vmm/core/became-shorter", test_became_shorter);
    g_test_add_func("/vmm/core/other-files", test_other_files);
    g_test_add_func("/vmm/core/no-file", test_no_file);
    return g_test_run();
}
