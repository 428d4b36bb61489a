/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/kernel-headers.h"

#include <errno.h>
#include <glib/gstdio.h>

#include "patcher/error.h"

typedef struct {
    const char *name, *text;
} Header;

static const Header own[] = {
    { "virt-livepatch.h",
#include "patcher/kernel-headers/virt-livepatch.inc"
    },
    { "kpatch-macros.h",
#include "patcher/kernel-headers/kpatch-macros.inc"
    },
};

static const Header front[] = {
    { "bug.h",
#include "patcher/kernel-headers/bug.inc"
    },
    { "jump_label.h",
#include "patcher/kernel-headers/jump_label.inc"
    },
    { "runtime-const.h",
#include "patcher/kernel-headers/runtime-const.inc"
    },
};

static gboolean
write_header(const char *folder, const Header *header, GError **error)
{
    g_autofree char *path = g_build_filename(folder, header->name, NULL);
    g_autoptr(GError) cause = NULL;

    if (g_file_set_contents(path, header->text, -1, &cause))
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", cause->message);
    return FALSE;
}

static gboolean
write_headers(const char *folder, const Header *headers, gsize n_headers, GError **error)
{
    for (gsize i = 0; i < n_headers; i++)
        if (!write_header(folder, &headers[i], error))
            return FALSE;
    return TRUE;
}

static gboolean
make_folder(const char *folder, GError **error)
{
    if (g_mkdir_with_parents(folder, 0700) == 0)
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "cannot make %s: %s", folder, g_strerror(errno));
    return FALSE;
}

gboolean
patch_kernel_headers_write(const char *folder, gboolean for_new_code, GError **error)
{
    g_autofree char *asm_folder = g_build_filename(folder, "asm", NULL);

    if (!make_folder(folder, error) || !write_headers(folder, own, G_N_ELEMENTS(own), error))
        return FALSE;
    return !for_new_code || (make_folder(asm_folder, error) && write_headers(asm_folder, front, G_N_ELEMENTS(front), error));
}
