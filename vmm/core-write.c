/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/core-write.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vmm/core-note.h"
#include "vmm/file.h"

#define PAGE_BYTES 4096
#define PIECE_BYTES (1 << 20)

static guint64
round_up(guint64 value, guint64 step)
{
    return (value + step - 1) / step * step;
}

static gboolean
write_at(int fd, const void *data, gsize length, guint64 offset, GError **error)
{
    if (vmm_file_write(fd, offset, data, length))
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "cannot write the memory image: %s", g_strerror(errno));
    return FALSE;
}

static void
add_padded(GByteArray *bytes, const void *data, gsize length)
{
    static const guint8 zeros[4];

    g_byte_array_append(bytes, data, length);
    g_byte_array_append(bytes, zeros, round_up(length, 4) - length);
}

static void
add_note(GByteArray *notes, const VmmCoreNote *note)
{
    const Elf64_Nhdr header = { strlen(note->owner) + 1, note->length, note->type };

    g_byte_array_append(notes, (const guint8 *)&header, sizeof header);
    add_padded(notes, note->owner, header.n_namesz);
    add_padded(notes, note->data, note->length);
}

static GByteArray *
make_notes(const VmmCoreSource *source)
{
    GByteArray *notes = g_byte_array_new();

    for (guint i = 0; i < source->n_vcpus; i++) {
        const VmmQemuNote registers = vmm_qemu_note(&source->vcpus[i]);
        const VmmCoreNote note = { VMM_QEMU_NOTE_OWNER, 0, &registers, sizeof registers };

        add_note(notes, &note);
    }
    for (guint i = 0; i < source->n_notes; i++)
        add_note(notes, &source->notes[i]);
    return notes;
}

static GByteArray *
make_head(const VmmCoreSource *source, const GByteArray *notes, guint64 *memory_at)
{
    GByteArray *head = g_byte_array_new();
    const guint64 notes_at = sizeof(Elf64_Ehdr) + (1 + source->n_ranges) * sizeof(Elf64_Phdr);
    const Elf64_Ehdr header = {
        .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_phoff = sizeof header,
        .e_ehsize = sizeof header, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1 + source->n_ranges,
    };
    const Elf64_Phdr of_notes = { .p_type = PT_NOTE, .p_offset = notes_at, .p_filesz = notes->len };
    guint64 offset = *memory_at = round_up(notes_at + notes->len, PAGE_BYTES);

    g_byte_array_append(head, (const guint8 *)&header, sizeof header);
    g_byte_array_append(head, (const guint8 *)&of_notes, sizeof of_notes);
    for (guint i = 0; i < source->n_ranges; i++) {
        const VmmRange *range = &source->ranges[i];
        const Elf64_Phdr segment = {
            .p_type = PT_LOAD, .p_offset = offset, .p_paddr = range->start.value, .p_filesz = range->length,
            .p_memsz = range->length,
        };

        g_byte_array_append(head, (const guint8 *)&segment, sizeof segment);
        offset += round_up(range->length, PAGE_BYTES);
    }
    g_byte_array_append(head, notes->data, notes->len);
    return head;
}

static gboolean
is_zero(const guint8 *bytes, gsize length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

static gboolean
write_range(int fd, const VmmCoreSource *source, const VmmRange *range, guint64 offset, GError **error)
{
    g_autofree guint8 *bytes = g_malloc(PIECE_BYTES);

    for (guint64 done = 0; done < range->length; done += PIECE_BYTES) {
        gsize length = MIN(range->length - done, PIECE_BYTES);

        if (!source->read(source->data, guest_pa_add(range->start, done), bytes, length, error))
            return FALSE;
        if (!is_zero(bytes, length) && !write_at(fd, bytes, length, offset + done, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
vmm_core_write(int fd, const VmmCoreSource *source, GError **error)
{
    g_autoptr(GByteArray) notes = make_notes(source);
    guint64 offset;
    g_autoptr(GByteArray) head = make_head(source, notes, &offset);

    if (!write_at(fd, head->data, head->len, 0, error))
        return FALSE;
    for (guint i = 0; i < source->n_ranges; i++) {
        if (!write_range(fd, source, &source->ranges[i], offset, error))
            return FALSE;
        offset += round_up(source->ranges[i].length, PAGE_BYTES);
    }
    if (ftruncate(fd, offset) == 0 && fsync(fd) == 0)
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "cannot write the memory image: %s", g_strerror(errno));
    return FALSE;
}
