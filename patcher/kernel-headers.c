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
    { "virt-livepatch-shadow.h",
#include "patcher/kernel-headers/virt-livepatch-shadow.inc"
    },
    { "linux/livepatch.h",
#include "patcher/kernel-headers/livepatch.inc"
    },
};

static const Header front[] = {
    { "asm/bug.h",
#include "patcher/kernel-headers/bug.inc"
    },
    { "asm/jump_label.h",
#include "patcher/kernel-headers/jump_label.inc"
    },
    { "asm/runtime-const.h",
#include "patcher/kernel-headers/runtime-const.inc"
    },
};

static gboolean
make_folder(const char *folder, GError **error)
{
    if (g_mkdir_with_parents(folder, 0700) == 0)
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "cannot make %s: %s", folder, g_strerror(errno));
    return FALSE;
}

static gboolean
write_header(const char *folder, const Header *header, GError **error)
{
    g_autofree char *path = g_build_filename(folder, header->name, NULL), *outer = g_path_get_dirname(path);
    g_autoptr(GError) cause = NULL;

    if (!make_folder(outer, error))
        return FALSE;
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

gboolean
patch_kernel_headers_write(const char *folder, gboolean for_new_code, GError **error)
{
    return write_headers(folder, own, G_N_ELEMENTS(own), error) &&
           (!for_new_code || write_headers(folder, front, G_N_ELEMENTS(front), error));
}
