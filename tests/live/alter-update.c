/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * alter-update FROM TO: an update that is as well made as FROM, but expects one other byte of old code.
 */
#include <stdio.h>

#include "patcher/update.h"

static gboolean
is_covered(const PatchCode *code, guint at)
{
    for (guint i = 0; i < code->fixups->len; i++) {
        const PatchFixup *fixup = &g_array_index(code->fixups, PatchFixup, i);

        if (at >= fixup->offset && at < fixup->offset + 8)
            return TRUE;
    }
    for (guint i = 0; i < code->sites->len; i++) {
        const PatchSite *site = code->sites->pdata[i];

        if (at >= site->offset && at < site->offset + site->length)
            return TRUE;
    }
    return FALSE;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchUpdate) update = argc == 3 ? patch_update_read_file(argv[1], &error) : NULL;
    const PatchObject *object = update ? update->objects->pdata[0] : NULL;
    const PatchOldFunction *function = object ? object->functions->pdata[0] : NULL;
    guint at = 0;

    if (!function) {
        fprintf(stderr, "alter-update: %s\n", error ? error->message : "usage: alter-update FROM TO");
        return 2;
    }
    while (at < function->code->bytes->len && is_covered(function->code, at))
        at++;
    if (at == function->code->bytes->len)
        return 1;
    function->code->bytes->data[at] ^= 1;
    return patch_update_write_file(update, argv[2], &error) ? 0 : 1;
}
