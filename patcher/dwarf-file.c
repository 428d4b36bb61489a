/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/dwarf-file.h"

#include <gelf.h>
#include <libelf.h>

/* Fills in the fields of one debugging section, TARGET, that the relocations in DATA speak of. Everything is taken as if
 * loaded at zero. */
static void
relocate(const PatchElf *elf, Elf_Data *data, Elf_Data *target)
{
    for (gsize i = 0; i < data->d_size / sizeof(Elf64_Rela); i++) {
        GElf_Rela rela;
        guint64 value;
        gsize width;

        if (!gelf_getrela(data, i, &rela) || GELF_R_SYM(rela.r_info) >= elf->symbols->len)
            return;
        width = GELF_R_TYPE(rela.r_info) == R_X86_64_64 ? 8 : GELF_R_TYPE(rela.r_info) == R_X86_64_32 ? 4 : 0;
        if (!width || rela.r_offset > target->d_size || width > target->d_size - rela.r_offset)
            continue;
        value = GUINT64_TO_LE(patch_elf_symbol(elf, GELF_R_SYM(rela.r_info))->value + rela.r_addend);
        memcpy((guint8 *) target->d_buf + rela.r_offset, &value, width);
    }
}

static Elf_Data *
debug_section(const PatchElf *elf, Elf *file, guint index)
{
    const PatchElfSection *section = index < elf->sections->len ? patch_elf_section(elf, index) : NULL;
    Elf_Scn *scn = section && g_str_has_prefix(section->name, ".debug_") ? elf_getscn(file, index) : NULL;

    if (!scn)
        return NULL;
    if (section->flags & SHF_COMPRESSED && elf_compress(scn, 0, 0) < 0)
        return NULL;
    return elf_getdata(scn, NULL);
}

static void
relocate_all(const PatchElf *elf, Elf *file)
{
    for (guint32 i = 1; i < elf->sections->len; i++) {
        Elf_Scn *scn = patch_elf_section(elf, i)->type == SHT_RELA ? elf_getscn(file, i) : NULL;
        Elf_Data *data, *target;
        GElf_Shdr header;

        if (!scn || !gelf_getshdr(scn, &header))
            continue;
        target = debug_section(elf, file, header.sh_info);
        data = target && target->d_buf ? elf_getdata(scn, NULL) : NULL;
        if (data && data->d_buf)
            relocate(elf, data, target);
    }
}

void
patch_dwarf_close(PatchDwarfFile *file)
{
    dwarf_end(file->dwarf);
    elf_end(file->file);
    g_free(file->copy);
    *file = (PatchDwarfFile) { 0 };
}

gboolean
patch_dwarf_open(PatchDwarfFile *file, const PatchElf *elf)
{
    gsize length;
    gconstpointer bytes = g_bytes_get_data(elf->bytes, &length);

    *file = (PatchDwarfFile) { 0 };
    if (!patch_elf_find_section(elf, ".debug_info", 0))
        return FALSE;
    file->copy = g_memdup2(bytes, length);
    file->file = elf_memory(file->copy, length);
    if (file->file) {
        relocate_all(elf, file->file);
        file->dwarf = dwarf_begin_elf(file->file, DWARF_C_READ, NULL);
    }
    if (file->dwarf)
        return TRUE;
    patch_dwarf_close(file);
    return FALSE;
}
