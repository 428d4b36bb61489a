/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/buildid.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <unistd.h>

#include "patcher/error.h"

#define MAX_ID_BYTES 64

static char *
id_in_note(Elf_Data *data)
{
    GElf_Nhdr note;
    size_t name, description, position = 0;

    while ((position = gelf_getnote(data, position, &note, &name, &description)) > 0) {
        const guint8 *bytes = (const guint8 *) data->d_buf + description;
        GString *text;

        if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != sizeof "GNU" || !note.n_descsz ||
            note.n_descsz > MAX_ID_BYTES || memcmp((const char *) data->d_buf + name, "GNU", sizeof "GNU") != 0)
            continue;
        text = g_string_new(NULL);
        for (guint i = 0; i < note.n_descsz; i++)
            g_string_append_printf(text, "%02x", bytes[i]);
        return g_string_free(text, FALSE);
    }
    return NULL;
}

static char *
id_in_file(Elf *file)
{
    Elf_Scn *scn = NULL;
    char *id = NULL;

    while (!id && (scn = elf_nextscn(file, scn))) {
        GElf_Shdr header;
        Elf_Data *data;

        if (!gelf_getshdr(scn, &header) || header.sh_type != SHT_NOTE)
            continue;
        data = elf_getdata(scn, NULL);
        id = data ? id_in_note(data) : NULL;
    }
    return id;
}

char *
patch_build_id_read(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *id = NULL;
    Elf *file;

    if (fd < 0) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "%s: %s", path, g_strerror(errno));
        return NULL;
    }
    elf_version(EV_CURRENT);
    file = elf_begin(fd, ELF_C_READ, NULL);
    if (file && elf_kind(file) == ELF_K_ELF)
        id = id_in_file(file);
    elf_end(file);
    close(fd);
    if (!id)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE,
                    "%s is no ELF file with a build id; --vmlinux takes the uncompressed vmlinux", path);
    return id;
}
