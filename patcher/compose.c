/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/compose.h"

#include "patcher/csource.h"
#include "patcher/error.h"
#include "patcher/new-code.h"

typedef struct {
    PatchBuild *build;
    const PatchFile *file;
    PatchObject *object;
    char *text;                     /* of the patched file */
    PatchElf *running, *old_elf, *new_elf, *code_elf;
    PatchDiff *diff;                /* of old and new: what changed */
    PatchDiff *code_diff;           /* of old and code: what new code refers to; the same one where new code can be
                                       taken as the kernel's build makes it */
    GHashTable *replaced;           /* set of char *: names of changed functions */
    PatchOldCode *old;
    PatchNewCode *code;
} Job;

static void
job_clear(Job *job)
{
    if (job->code_diff != job->diff)
        patch_diff_free(job->code_diff);
    patch_diff_free(job->diff);
    patch_new_code_free(job->code);
    patch_old_code_free(job->old);
    patch_elf_free(job->running);
    patch_elf_free(job->old_elf);
    patch_elf_free(job->new_elf);
    patch_elf_free(job->code_elf);
    g_clear_pointer(&job->replaced, g_hash_table_unref);
    patch_object_free(job->object);
    g_free(job->text);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_clear)

static PatchElf *
build_and_read(const Job *job, PatchBuildVariant variant, GError **error)
{
    g_autofree char *path = patch_build_object(job->build, job->file->path, variant, error);

    return path ? patch_elf_read(path, error) : NULL;
}

static gboolean
find_changes(Job *job, GError **error)
{
    job->old_elf = build_and_read(job, PATCH_BUILD_OLD, error);
    job->new_elf = job->old_elf ? build_and_read(job, PATCH_BUILD_NEW, error) : NULL;
    job->diff = job->new_elf ? patch_diff_new(job->old_elf, job->new_elf, job->file, error) : NULL;
    if (!job->diff)
        return FALSE;
    for (guint i = 0; i < job->diff->changed->len; i++)
        g_hash_table_add(job->replaced,
                         g_strdup(patch_elf_item(job->new_elf, g_array_index(job->diff->changed, guint32, i))->name));
    return TRUE;
}

/* Whether code that is changed or new has entries in tables that only the kernel's image can have. */
static gboolean
needs_own_headers(const Job *job)
{
    const GArray *entries = job->diff->new_entries;

    for (guint i = 0; i < entries->len; i++) {
        const PatchTableEntry *entry = &g_array_index(entries, PatchTableEntry, i);
        gint32 number = patch_elf_item_at(job->new_elf, entry->code_section, entry->code_offset);

        if (entry->kind != PATCH_TABLE_JUMPS && entry->kind != PATCH_TABLE_BUGS)
            continue;
        if (number >= 0 && (job->diff->pairing->old_of_new[number] < 0 ||
                            g_hash_table_contains(job->replaced, patch_elf_item(job->new_elf, number)->name) ||
                            strstr(patch_elf_item(job->new_elf, number)->name, ".cold")))
            return TRUE;
    }
    return FALSE;
}

/* A function that the compiler specialised, with a name of its making. */
static gboolean
is_clone(const char *name)
{
    return strchr(name, '.') != NULL;
}

/* Whether the function NAME is not replaced itself, but all who call it are: because it does not begin with a place to
 * patch (as static inline functions do not), or because there is no telling that it takes the same arguments as
 * before: clones are specialised anew where headers of our own change what the compiler sees. */
static gboolean
is_carried(const Job *job, const char *name)
{
    gint32 item = patch_old_code_find(job->old, name);

    return (job->code_elf && is_clone(name)) || (item >= 0 && !patch_old_code_has_entry(job->old, item));
}

static gboolean G_GNUC_PRINTF(2, 3)
refuse(GError **error, const char *format, ...)
{
    va_list arguments;
    g_autofree char *text = NULL;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, "%s", text);
    return FALSE;
}

/* Adds who calls ITEM of the old object, as seen in the relocations of SECTION, to the functions to replace. */
static gboolean
replace_callers_in(Job *job, guint32 item, guint32 index, GError **error)
{
    const PatchElfSection *section = patch_elf_section(job->old_elf, index);
    const PatchElfItem *it = patch_elf_item(job->old_elf, item);

    for (guint i = 0; i < section->relocs->len; i++) {
        const PatchReloc *reloc = &g_array_index(section->relocs, PatchReloc, i);
        PatchPlace place = patch_elf_place(job->old_elf, reloc);
        gint32 caller = patch_elf_item_at(job->old_elf, index, reloc->offset);

        if (place.kind != PATCH_PLACE_ITEM || place.index != item || caller == (gint32) item || caller < 0)
            continue;
        if (!reloc->is_branch)
            return refuse(error, "the patch changes %s, which cannot be replaced: it does not begin with a "
                          "place to patch, and a pointer to it is kept in %s", it->name,
                          patch_elf_item(job->old_elf, caller)->name);
        g_hash_table_add(job->replaced, patch_whole_name(patch_elf_item(job->old_elf, caller)->name));
    }
    return TRUE;
}

static gboolean
replace_callers(Job *job, const char *name, GError **error)
{
    gint32 item = patch_elf_find_item(job->old_elf, name);
    const PatchElfItem *it = item >= 0 ? patch_elf_item(job->old_elf, item) : NULL;

    if (!it || patch_elf_symbol(job->old_elf, it->symbol)->is_global)
        return refuse(error, "the patch changes %s, which cannot be replaced: the kernel keeps it from being traced, "
                      "so it does not begin with a place to patch", name);
    for (guint32 i = 1; i < job->old_elf->sections->len; i++)
        if (!patch_tables_own(patch_elf_section(job->old_elf, i)->name) && !replace_callers_in(job, item, i, error))
            return FALSE;
    return TRUE;
}

static gboolean
replace_callers_of_carried(Job *job, GError **error)
{
    guint before;

    do {
        g_autofree gpointer *names = g_hash_table_get_keys_as_array(job->replaced, &before);

        for (guint i = 0; i < before; i++)
            if (is_carried(job, names[i]) && !replace_callers(job, names[i], error))
                return FALSE;
    } while (g_hash_table_size(job->replaced) != before);
    return TRUE;
}

static gboolean
build_code(Job *job, GError **error)
{
    job->code_diff = job->diff;
    if (needs_own_headers(job)) {
        job->code_elf = build_and_read(job, PATCH_BUILD_NEW_CODE, error);
        job->code_diff = job->code_elf ? patch_diff_new(job->old_elf, job->code_elf, job->file, error) : NULL;
    }
    return job->code_diff && replace_callers_of_carried(job, error);
}

static PatchReason
reason_of(const Job *job, const char *function)
{
    guint first, last;

    if (!patch_csource_find(job->text, function, &first, &last) || patch_file_touches(job->file, first, last))
        return PATCH_REASON_CHANGED;
    return PATCH_REASON_INLINED;
}

static gboolean
add_part(Job *job, const char *function, PatchReplacement *replacement, GError **error)
{
    g_autofree char *name = g_strconcat(function, ".cold", NULL);
    gint32 item = patch_old_code_find(job->old, name);
    guint32 index;

    if (item < 0)
        return TRUE;
    if (!patch_old_code_function(job->old, item, &index, error))
        return FALSE;
    g_array_append_val(replacement->parts, index);
    return TRUE;
}

/* Item NEW_ITEM of the code's object takes over from its pair. */
static gboolean
add_replacement(Job *job, guint32 new_item, GError **error)
{
    const PatchPairing *pairing = job->code_diff->pairing;
    const char *name = patch_elf_item(pairing->new_elf, new_item)->name;
    gint32 pair = pairing->old_of_new[new_item];
    const char *old_name = pair >= 0 ? patch_elf_item(pairing->old_elf, pair)->name : name;
    gint32 old_item = pair >= 0 ? patch_old_code_find(job->old, old_name) : -1;
    PatchReplacement *replacement;
    guint32 index, piece;

    if (old_item < 0)
        return refuse(error, "the patch changes %s, and the running kernel's object has no such function, or several",
                      old_name);
    if (!patch_old_code_function(job->old, old_item, &index, error) ||
        !patch_new_code_add(job->code, new_item, &piece, error))
        return FALSE;
    replacement = patch_object_add_replacement(job->object, index, piece, reason_of(job, name));
    return add_part(job, old_name, replacement, error);
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static gboolean
add_replacements(Job *job, GError **error)
{
    const PatchElf *elf = job->code_diff->pairing->new_elf;
    guint n;
    g_autofree gpointer *names = g_hash_table_get_keys_as_array(job->replaced, &n);

    qsort(names, n, sizeof names[0], compare_names);
    for (guint i = 0; i < n; i++) {
        gint32 item = patch_elf_find_item(elf, names[i]);

        if (is_carried(job, names[i]))
            continue;
        if (item < 0)
            return refuse(error, "the patch changes %s, of which the patched source has none, or several",
                          (const char *) names[i]);
        if (!add_replacement(job, item, error))
            return FALSE;
    }
    return patch_old_code_add_witnesses(job->old, error);
}

static void
note_boot_only(const Job *job, char **boot_only)
{
    if (!*boot_only && job->diff->boot_only->len)
        *boot_only = g_strdup(patch_elf_item(job->new_elf, g_array_index(job->diff->boot_only, guint32, 0))->name);
}

PatchObject *
patch_compose_object(PatchBuild *build, const PatchFile *file, char **boot_only, GError **error)
{
    g_autofree char *path = g_build_filename(patch_build_overlay(build), file->path, NULL);
    g_auto(Job) job = { .build = build, .file = file, .object = patch_object_new() };

    job.replaced = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    job.object->path = g_strdup_printf("%.*s.o", (int) (strlen(file->path) - 2), file->path);
    job.object->module = g_strdup("");
    if (!g_file_get_contents(path, &job.text, NULL, error) || !find_changes(&job, error))
        return NULL;
    note_boot_only(&job, boot_only);
    if (g_hash_table_size(job.replaced) == 0)
        return NULL;
    job.running = build_and_read(&job, PATCH_BUILD_RUNNING, error);
    job.old = job.running ? patch_old_code_new(job.object, job.running, error) : NULL;
    if (!job.old || !build_code(&job, error))
        return NULL;
    job.code = patch_new_code_new(job.object, job.code_diff, job.old, job.replaced);
    return add_replacements(&job, error) ? g_steal_pointer(&job.object) : NULL;
}
