/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/reasons.h"

#include "patcher/csource.h"

struct PatchReasons {
    const PatchFiles *files;
    const PatchFile *file;
    GHashTable *texts;          /* char * -> char *: by path, of the C file and of every file of the patch */
    PatchDwarf *old_dwarf, *new_dwarf;
};

static void
read_text(const PatchReasons *reasons, const PatchBuild *build, const char *path)
{
    g_autofree char *full = g_build_filename(patch_build_overlay(build), path, NULL);
    char *text = NULL;

    if (g_file_get_contents(full, &text, NULL, NULL))
        g_hash_table_insert(reasons->texts, g_strdup(path), text);
}

PatchReasons *
patch_reasons_new(const PatchBuild *build, const PatchFile *file, PatchDwarf *old_dwarf, PatchDwarf *new_dwarf)
{
    PatchReasons *reasons = g_new0(PatchReasons, 1);

    *reasons = (PatchReasons) {
        .files = patch_build_files(build), .file = file, .old_dwarf = old_dwarf, .new_dwarf = new_dwarf,
        .texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
    };
    read_text(reasons, build, file->path);
    for (guint i = 0; i < reasons->files->files->len; i++)
        read_text(reasons, build, ((const PatchFile *) reasons->files->files->pdata[i])->path);
    return reasons;
}

void
patch_reasons_free(PatchReasons *reasons)
{
    if (!reasons)
        return;
    g_hash_table_unref(reasons->texts);
    patch_dwarf_free(reasons->old_dwarf);
    patch_dwarf_free(reasons->new_dwarf);
    g_free(reasons);
}

/* Whether the text of FUNCTION stands in FILE, and whether the patch changes it. */
static gboolean
find_text(const PatchReasons *reasons, const PatchFile *file, const char *function, gboolean *touched)
{
    const char *text = g_hash_table_lookup(reasons->texts, file->path);
    guint first, last;

    if (!text || !patch_csource_find(text, function, &first, &last))
        return FALSE;
    *touched = file->edits && patch_file_touches(file, first, last);
    return TRUE;
}

gboolean
patch_reasons_is_touched(const PatchReasons *reasons, const char *function)
{
    gboolean touched;

    return !find_text(reasons, reasons->file, function, &touched) || touched;
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(a, b);
}

/* The first, by name, of the functions inlined in FUNCTION that the patch changes; NULL if there is none. */
static const char *
touched_inline(const PatchReasons *reasons, const PatchDwarf *dwarf, const char *function)
{
    g_autofree char *plain = g_strndup(function, strcspn(function, "."));
    GHashTable *inlined = dwarf ? g_hash_table_lookup(dwarf->inlined, plain) : NULL;
    g_autoptr(GList) names = inlined ? g_list_sort(g_hash_table_get_keys(inlined), compare_names) : NULL;

    for (GList *name = names; name; name = name->next)
        for (guint i = 0; i < reasons->files->files->len; i++) {
            gboolean touched = FALSE;

            if (find_text(reasons, reasons->files->files->pdata[i], name->data, &touched) && touched)
                return name->data;
        }
    return NULL;
}

PatchReason
patch_reasons_find(const PatchReasons *reasons, const char *function, const char **cause)
{
    const char *name;
    gboolean touched = FALSE;

    *cause = "";
    if (find_text(reasons, reasons->file, function, &touched) && touched)
        return PATCH_REASON_CHANGED;
    name = touched_inline(reasons, reasons->new_dwarf, function);
    if (!name)
        name = touched_inline(reasons, reasons->old_dwarf, function);
    *cause = name ? name : "";
    return name ? PATCH_REASON_INLINED : PATCH_REASON_COMPILED;
}
