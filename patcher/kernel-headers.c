/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/kernel-headers.h"

#include <errno.h>
#include <glib/gstdio.h>

#include "patcher/error.h"

static const struct {
    const char *name, *text;
} headers[] = {
    { "bug.h",
#include "patcher/kernel-headers/bug.inc"
    },
    { "jump_label.h",
#include "patcher/kernel-headers/jump_label.inc"
    },
};

gboolean
patch_kernel_headers_write(const char *folder, GError **error)
{
    g_autofree char *asm_folder = g_build_filename(folder, "asm", NULL);

    if (g_mkdir_with_parents(asm_folder, 0700) != 0) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "cannot make %s: %s", asm_folder, g_strerror(errno));
        return FALSE;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(headers); i++) {
        g_autofree char *path = g_build_filename(asm_folder, headers[i].name, NULL);
        g_autoptr(GError) cause = NULL;

        if (g_file_set_contents(path, headers[i].text, -1, &cause))
            continue;
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", cause->message);
        return FALSE;
    }
    return TRUE;
}
