/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/core-file.h"

#include <gelf.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/core-note.h"
#include "vmm/file.h"

/* With `paging` QEMU writes a segment for each run of the guest's page tables. */
#define MAX_SEGMENTS (1U << 20)
#define MAX_NOTES_BYTES (8U << 20)      /* of all vCPUs, which have some 1 KiB each */
#define MAX_SECTIONS 64                 /* QEMU writes one, or two */
#define MAX_VCPUS 4096

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Elf, elf_end)

static gboolean
set_no_elf(GError **error)
{
    g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED,
                        "this is no ELF core file and no kdump; make one with 'virsh dump --memory-only' or QEMU's "
                        "dump-guest-memory. If it is the memory file of Firecracker's snapshot, name its state file, too: "
                        "MEMORY,STATE");
    return FALSE;
}

/* To be seen before libelf opens the file, since it makes room for all the sections that the header speaks of; or, where
 * that says 0 of them, for as many as the first section does. */
static gboolean
check_kind(int fd, GError **error)
{
    Elf64_Ehdr header;

    if (pread(fd, &header, sizeof header, 0) != sizeof header || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return set_no_elf(error);
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_CORE
        || header.e_machine != EM_X86_64) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED,
                            "this is no memory image of an x86-64 machine in 64-bit mode");
        return FALSE;
    }
    if (header.e_shnum > MAX_SECTIONS || (header.e_shnum == 0 && header.e_shoff != 0))
        return vmm_file_set_damaged(error, "it has more sections than any");
    return TRUE;
}

static gboolean
add_segment(GArray *segments, const GElf_Phdr *header, guint64 file_bytes, GError **error)
{
    VmmCoreSegment segment = { { guest_pa(header->p_paddr), header->p_filesz }, header->p_offset };

    if (header->p_filesz == 0)
        return TRUE;    /* memory that was left out of the image */
    if (header->p_offset > file_bytes || header->p_filesz > file_bytes - header->p_offset)
        return vmm_file_set_damaged(error, "memory lies behind its end");
    if (header->p_paddr > G_MAXUINT64 - header->p_filesz)
        return vmm_file_set_damaged(error, "memory lies at an impossible address");
    g_array_append_val(segments, segment);
    return TRUE;
}

static gboolean
add_vcpu(GArray *vcpus, const void *desc, gsize length, GError **error)
{
    VmmQemuNote note = { 0 };
    VmmVcpu vcpu;

    if (length < VMM_QEMU_NOTE_LEAST || vcpus->len >= MAX_VCPUS)
        return vmm_file_set_damaged(error, "a vCPU's note has a wrong size, or there are too many");
    memcpy(&note, desc, MIN(length, sizeof note));
    if (note.version != VMM_QEMU_NOTE_VERSION || note.size < VMM_QEMU_NOTE_LEAST || note.size > length) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "the image's vCPU notes are of a version (%u) that is not "
                    "known", note.version);
        return FALSE;
    }
    vcpu = vmm_qemu_note_vcpu(&note);
    vcpu.index = vcpus->len;
    g_array_append_val(vcpus, vcpu);
    return TRUE;
}

static gboolean
is_owned_by(const GElf_Nhdr *header, const char *name, const char *owner)
{
    return header->n_namesz == strlen(owner) + 1 && memcmp(name, owner, header->n_namesz) == 0;
}

static gboolean
take_note(VmmCoreFile *file, const GElf_Nhdr *header, const char *name, const char *desc, GError **error)
{
    if (is_owned_by(header, name, VMM_QEMU_NOTE_OWNER) && header->n_type == 0)
        return add_vcpu(file->vcpus, desc, header->n_descsz, error);
    if (is_owned_by(header, name, VMM_MACHINE_NOTE_OWNER) && header->n_type == file->machine_notes->len)
        g_ptr_array_add(file->machine_notes, g_bytes_new(desc, header->n_descsz));
    return TRUE;
}

static gboolean
take_notes(VmmCoreFile *file, Elf_Data *data, GError **error)
{
    gsize position = 0, name_at, desc_at, next;
    const char *bytes = data->d_buf;
    GElf_Nhdr header;

    while ((next = gelf_getnote(data, position, &header, &name_at, &desc_at)) > 0) {
        if (!take_note(file, &header, bytes + name_at, bytes + desc_at, error))
            return FALSE;
        position = next;
    }
    return TRUE;
}

gboolean
vmm_core_file_add_notes(VmmCoreFile *file, void *bytes, gsize length, GError **error)
{
    Elf_Data data = { .d_buf = bytes, .d_type = ELF_T_NHDR, .d_version = EV_CURRENT, .d_size = length, .d_align = 4 };

    return take_notes(file, &data, error);
}

/* BUDGET is how many bytes of notes there may be, and how many may follow. */
static gboolean
read_notes(Elf *elf, const GElf_Phdr *segment, gsize *budget, VmmCoreFile *file, GError **error)
{
    Elf_Data *data = NULL;

    if (segment->p_filesz <= *budget) {
        data = elf_getdata_rawchunk(elf, segment->p_offset, segment->p_filesz, ELF_T_NHDR);
        *budget -= segment->p_filesz;
    }
    return data != NULL ? take_notes(file, data, error) : vmm_file_set_damaged(error, "its notes cannot be read");
}

static gboolean
read_segments(Elf *elf, guint64 file_bytes, VmmCoreFile *file, GError **error)
{
    gsize n, budget = MAX_NOTES_BYTES;

    if (elf_getphdrnum(elf, &n) != 0 || n > MAX_SEGMENTS)
        return vmm_file_set_damaged(error, "its table of segments cannot be read");
    for (gsize i = 0; i < n; i++) {
        GElf_Phdr header;

        if (gelf_getphdr(elf, i, &header) == NULL)
            return vmm_file_set_damaged(error, "its table of segments is not there");
        if (header.p_type == PT_NOTE && !read_notes(elf, &header, &budget, file, error))
            return FALSE;
        if (header.p_type == PT_LOAD && !add_segment(file->segments, &header, file_bytes, error))
            return FALSE;
    }
    return TRUE;
}

static gint
compare_segments(gconstpointer a, gconstpointer b)
{
    guint64 first = ((const VmmCoreSegment *)a)->range.start.value;
    guint64 second = ((const VmmCoreSegment *)b)->range.start.value;

    return first < second ? -1 : first > second;
}

/* Segments made by way of the guest's page tables tell of the same memory more than once. */
static gboolean
drop_overlaps(GArray *segments)
{
    gboolean dropped = FALSE;
    guint64 end = 0;
    guint kept = 0;

    g_array_sort(segments, compare_segments);
    for (guint i = 0; i < segments->len; i++) {
        VmmCoreSegment segment = g_array_index(segments, VmmCoreSegment, i);
        guint64 known = end > segment.range.start.value ? end - segment.range.start.value : 0;

        dropped |= known > 0;
        if (known >= segment.range.length)
            continue;
        segment.range.start.value += known;
        segment.range.length -= known;
        segment.offset += known;
        end = segment.range.start.value + segment.range.length;
        g_array_index(segments, VmmCoreSegment, kept++) = segment;
    }
    g_array_set_size(segments, kept);
    return dropped;
}

VmmCoreFile *
vmm_core_file_new_empty(void)
{
    VmmCoreFile *file = g_new0(VmmCoreFile, 1);

    file->segments = g_array_new(FALSE, FALSE, sizeof(VmmCoreSegment));
    file->vcpus = g_array_new(FALSE, FALSE, sizeof(VmmVcpu));
    file->machine_notes = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    return file;
}

gboolean
vmm_core_file_is_complete(const VmmCoreFile *file, GError **error)
{
    if (file->vcpus->len > 0 && file->segments->len > 0)
        return TRUE;
    g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED,
                        "the core file has no memory, or none of QEMU's notes of the vCPUs' registers, without which its page "
                        "tables cannot be found; make it with 'virsh dump --memory-only' or QEMU's dump-guest-memory");
    return FALSE;
}

VmmCoreFile *
vmm_core_file_new(int fd, GError **error)
{
    g_autoptr(VmmCoreFile) file = vmm_core_file_new_empty();
    g_autoptr(Elf) elf = NULL;
    struct stat facts;

    if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "a memory image has to be an ordinary file");
        return NULL;
    }
    if (!check_kind(fd, error))
        return NULL;
    elf_version(EV_CURRENT);
    elf = elf_begin(fd, ELF_C_READ, NULL);
    if (!read_segments(elf, facts.st_size, file, error))
        return NULL;
    if (!vmm_core_file_is_complete(file, error))
        return NULL;
    file->has_copies = drop_overlaps(file->segments);
    return g_steal_pointer(&file);
}

void
vmm_core_file_free(VmmCoreFile *file)
{
    if (file == NULL)
        return;
    g_array_unref(file->segments);
    g_array_unref(file->vcpus);
    g_ptr_array_unref(file->machine_notes);
    g_free(file);
}

const VmmCoreSegment *
vmm_core_file_find(const VmmCoreFile *file, guint64 pa)
{
    guint low = 0, high = file->segments->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        const VmmCoreSegment *segment = &g_array_index(file->segments, VmmCoreSegment, middle);

        if (pa < segment->range.start.value)
            high = middle;
        else if (pa - segment->range.start.value >= segment->range.length)
            low = middle + 1;
        else
            return segment;
    }
    return NULL;
}
