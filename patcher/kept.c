/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/kept.h"

static guint64
bytes_that_stay(const PatchRecord *record, gboolean variables)
{
    guint64 bytes = 0;

    for (guint i = 0; i < record->placed->len; i++) {
        const PatchPlaced *placed = record->placed->pdata[i];

        bytes += placed->stays && patch_kept_is_variable(placed) == variables ? placed->size : 0;
    }
    return bytes;
}

guint64
patch_kept_bytes(const PatchRecord *record)
{
    return bytes_that_stay(record, FALSE) + bytes_that_stay(record, TRUE);
}

gboolean
patch_kept_is_variable(const PatchPlaced *placed)
{
    return placed->stays && placed->kind != PATCH_PIECE_RODATA;
}

char *
patch_kept_text(const PatchRecord *record)
{
    guint64 constants = bytes_that_stay(record, FALSE), variables = bytes_that_stay(record, TRUE);
    g_autoptr(GString) text = g_string_new("");
    const char *before = " (";

    if (constants > 0)
        g_string_append_printf(text, "%" G_GUINT64_FORMAT " bytes of constants", constants);
    if (variables > 0)
        g_string_append_printf(text, "%s%" G_GUINT64_FORMAT " bytes of variables", constants > 0 ? ", and " : "", variables);
    for (guint i = 0; i < record->placed->len; i++) {
        const PatchPlaced *placed = record->placed->pdata[i];

        if (!patch_kept_is_variable(placed))
            continue;
        g_string_append_printf(text, "%s%s", before, placed->name);
        before = ", ";
    }
    if (variables > 0)
        g_string_append_c(text, ')');
    return g_string_free(g_steal_pointer(&text), FALSE);
}

PatchArea
patch_kept_rest(const PatchRecord *record)
{
    guint64 kept = MIN(record->kept.length, record->data.length);

    return (PatchArea) { record->data.va + kept, record->data.length - kept };
}

PatchRecord *
patch_kept_record(const PatchRecord *record, guint64 bytes)
{
    PatchRecord *kept = patch_record_new();

    g_strlcpy(kept->id, record->id, sizeof kept->id);
    kept->description = g_strdup(record->description);
    kept->kernel = g_strdup(record->kernel);
    kept->tool = g_strdup(record->tool);
    kept->cves = g_strdupv(record->cves);
    kept->applied_at = record->applied_at;
    kept->sequence = record->sequence;
    kept->module.name = g_strdup("");
    kept->block = (PatchArea) { record->data.va, bytes };
    kept->code_va = record->data.va;
    for (guint i = 0; i < record->placed->len; i++) {
        const PatchPlaced *placed = record->placed->pdata[i];
        PatchPlaced *copy;

        if (!placed->stays)
            continue;
        copy = g_memdup2(placed, sizeof *placed);
        copy->name = g_strdup(placed->name);
        copy->sha256 = g_strdup(placed->sha256);
        g_ptr_array_add(kept->placed, copy);
    }
    return kept;
}
