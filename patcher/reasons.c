/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/reasons.h"

#include <string.h>

#include "patcher/changed-constants.h"
#include "patcher/csource.h"
#include "patcher/tables.h"

struct PatchReasons {
    const PatchFiles *files;
    const PatchFile *file;
    GHashTable *texts;          /* char * -> char *: by path, of the C file and of every file of the patch */
    PatchDwarf *old_dwarf, *new_dwarf;
    GHashTable *constants;      /* set of char *: those that the patch changes; NULL until they are asked for */
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
    g_clear_pointer(&reasons->constants, g_hash_table_unref);
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

/* ---- Boot code ---- */

/* The changed constant that FUNCTION itself uses, in any of the texts. */
static const char *
constant_in(const PatchReasons *reasons, const char *function)
{
    GHashTableIter iter;
    gpointer text;

    g_hash_table_iter_init(&iter, reasons->texts);
    while (g_hash_table_iter_next(&iter, NULL, &text)) {
        const char *start = text, *end, *name;
        guint first, last;

        if (!patch_csource_find(text, function, &first, &last))
            continue;
        for (guint line = 1; line < first; line++)
            start = strchr(start, '\n') + 1;
        end = start;
        for (guint line = first; line <= last; line++)
            end += strcspn(end, "\n") + 1;
        name = patch_changed_constants_mentioned(start, MIN((gsize) (end - start), strlen(start)), reasons->constants);
        if (name)
            return name;
    }
    return NULL;
}

/* A constant that the patch changes, and that FUNCTION or what is inlined in it uses. */
static const char *
changed_constant(PatchReasons *reasons, const char *function)
{
    g_autofree char *plain = g_strndup(function, strcspn(function, "."));
    GHashTable *inlined = reasons->new_dwarf ? g_hash_table_lookup(reasons->new_dwarf->inlined, plain) : NULL;
    const char *found;
    GHashTableIter iter;
    gpointer name;

    if (!reasons->constants) {
        reasons->constants = patch_changed_constants(reasons->files, reasons->texts);
        patch_changed_constants_add(reasons->constants, reasons->old_dwarf, reasons->new_dwarf);
    }
    found = constant_in(reasons, function);
    if (!inlined || !g_hash_table_size(reasons->constants))
        return found;
    g_hash_table_iter_init(&iter, inlined);
    while (!found && g_hash_table_iter_next(&iter, &name, NULL))
        found = constant_in(reasons, name);
    return found;
}

static gboolean
is_lasting(const PatchElf *elf, const char *function)
{
    gint32 item = patch_elf_find_item(elf, function);

    return item >= 0 && !patch_is_boot_section(patch_elf_section(elf, patch_elf_item(elf, item)->section)->name);
}

/* Whether the function NAME was in other code of ELF than such as runs at boot only, as a function or inlined in one; or
 * may be in that of others, being a header's. */
static gboolean
is_in_use(const PatchReasons *reasons, const PatchElf *elf, const char *name)
{
    GHashTableIter iter;
    gpointer function, inlined;
    gboolean touched;

    if (is_lasting(elf, name) || !find_text(reasons, reasons->file, name, &touched))
        return TRUE;
    g_hash_table_iter_init(&iter, reasons->old_dwarf->inlined);
    while (g_hash_table_iter_next(&iter, &function, &inlined))
        if (g_hash_table_contains(inlined, name) && is_lasting(elf, function))
            return TRUE;
    return FALSE;
}

const char *
patch_reasons_at_boot(PatchReasons *reasons, const PatchElf *old_elf, const char *function)
{
    const char *constant = changed_constant(reasons, function), *inlined;

    if (constant)
        return constant;
    patch_reasons_find(reasons, function, &inlined);
    return *inlined && !is_in_use(reasons, old_elf, inlined) ? inlined : NULL;
}
