/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a patch makes of the text of its files, and which lines have become which: that part of patchfile.h. */
#include "patcher/error.h"
#include "patcher/patchfile-private.h"

static gboolean
fits_at(const PatchHunk *hunk, const GPtrArray *lines, gint64 index)
{
    if (index < 0 || index + hunk->old_lines->len > lines->len)
        return FALSE;
    for (guint i = 0; i < hunk->old_lines->len; i++)
        if (!g_str_equal(hunk->old_lines->pdata[i], lines->pdata[index + i]))
            return FALSE;
    return TRUE;
}

/* Index into LINES of the nearest place to WANTED, not before FIRST, where the hunk's old lines are; -1 if nowhere. */
static gint64
find_place(const PatchHunk *hunk, const GPtrArray *lines, gint64 wanted, gint64 first)
{
    for (gint64 distance = 0; distance <= (gint64) lines->len; distance++) {
        if (wanted - distance >= first && fits_at(hunk, lines, wanted - distance))
            return wanted - distance;
        if (wanted + distance >= first && fits_at(hunk, lines, wanted + distance))
            return wanted + distance;
    }
    return -1;
}

/* Appends the stretches of the hunk that are no context. */
static void
add_edits(PatchFile *file, const PatchHunk *hunk, guint old_line, guint new_line)
{
    guint i = 0;

    while (i < hunk->kinds->len) {
        PatchEdit edit = { old_line, 0, new_line, 0 };

        for (; i < hunk->kinds->len && g_array_index(hunk->kinds, char, i) != ' '; i++)
            if (g_array_index(hunk->kinds, char, i) == '-')
                edit.old_count++;
            else
                edit.new_count++;
        if (edit.old_count || edit.new_count)
            g_array_append_val(file->edits, edit);
        old_line += edit.old_count;
        new_line += edit.new_count;
        for (; i < hunk->kinds->len && g_array_index(hunk->kinds, char, i) == ' '; i++) {
            old_line++;
            new_line++;
        }
    }
}

char *
patch_file_apply(PatchFile *file, const char *text, GError **error)
{
    g_autoptr(GPtrArray) lines = patch_split_lines(text);
    g_autoptr(GString) result = g_string_new(NULL);
    gint64 done = 0, moved = 0, grown = 0;

    g_array_set_size(file->edits, 0);
    for (guint i = 0; i < file->hunks->len; i++) {
        const PatchHunk *hunk = file->hunks->pdata[i];
        gint64 stated = (gint64) hunk->old_start - (hunk->old_lines->len ? 1 : 0);
        gint64 place = find_place(hunk, lines, stated + moved, done);

        if (place < 0) {
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                        "the patch does not apply to %s: its lines at %u are not in the source; is this the source "
                        "that the patch was made for, and not patched already?", file->path, hunk->old_start);
            return NULL;
        }
        moved = place - stated;
        for (; done < place; done++)
            g_string_append(result, lines->pdata[done]);
        for (guint j = 0; j < hunk->new_lines->len; j++)
            g_string_append(result, hunk->new_lines->pdata[j]);
        add_edits(file, hunk, place + 1, place + 1 + grown);
        grown += (gint64) hunk->new_lines->len - hunk->old_lines->len;
        done += hunk->old_lines->len;
    }
    for (; done < (gint64) lines->len; done++)
        g_string_append(result, lines->pdata[done]);
    return g_string_free(g_steal_pointer(&result), FALSE);
}

guint
patch_file_old_line(const PatchFile *file, guint new_line)
{
    gint64 shift = 0;

    for (guint i = 0; i < file->edits->len; i++) {
        const PatchEdit *edit = &g_array_index(file->edits, PatchEdit, i);

        if (new_line < edit->new_start)
            break;
        if (new_line < edit->new_start + edit->new_count)
            return 0;
        shift = (gint64) edit->old_start + edit->old_count - edit->new_start - edit->new_count;
    }
    return new_line + shift;
}

gboolean
patch_file_touches(const PatchFile *file, guint first, guint last)
{
    for (guint i = 0; i < file->edits->len; i++) {
        const PatchEdit *edit = &g_array_index(file->edits, PatchEdit, i);
        /* Lines only removed were between new_start - 1 and new_start. */
        gboolean reaches = edit->new_count ? edit->new_start + edit->new_count > first : edit->new_start > first;

        if (reaches && edit->new_start <= last)
            return TRUE;
    }
    return FALSE;
}
