/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/reach.h"

#include <string.h>

#include "patcher/constructs.h"
#include "patcher/error.h"
#include "patcher/finding.h"
#include "patcher/includes.h"
#include "patcher/makers.h"
#include "patcher/type-changes.h"

#define MAX_PROBES 5            /* files that are compiled to learn of the types of a header */
#define NO_FILE G_MAXUINT32     /* number of a file that has nothing in it */

struct PatchReach {
    PatchBuild *build;
    PatchTypeChanges *types;
    GPtrArray *candidates;      /* of char * */
};

typedef struct {
    PatchBuild *build;
    const PatchFiles *files;
    PatchTypeChanges *types;
    PatchIncludes *includes;
    guint8 *reached;            /* by file: includes a changed one */
    guint8 *used;               /* by file: included by a compiled file that is reached */
    guint8 *emitting;           /* by file: brings changed code along, whether its name is mentioned or not */
} Reach;

static void
reach_clear(Reach *reach)
{
    patch_includes_free(reach->includes);
    g_free(reach->reached);
    g_free(reach->used);
    g_free(reach->emitting);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reach, reach_clear)

/* --- By the text */

/* Whether any file includes file NUMBER; one that is only compiled brings its names to no other. */
static gboolean
is_included(const Reach *reach, guint32 number)
{
    for (guint32 i = 0; i < reach->includes->files->len; i++) {
        const GArray *list = patch_includes_file(reach->includes, i)->includes;

        for (guint j = 0; j < list->len; j++)
            if (g_array_index(list, guint32, j) == number)
                return TRUE;
    }
    return FALSE;
}

/* Whether any file includes a file of the patch. Sets what is reached, and from there what is used. */
static gboolean
find_reached(Reach *reach, guint8 *found)
{
    guint n = reach->includes->files->len;
    gboolean any = FALSE;

    for (guint i = 0; i < reach->files->files->len; i++) {
        gint64 number = patch_includes_find(reach->includes, ((const PatchFile *) reach->files->files->pdata[i])->path);

        found[i] = number >= 0;
        if (number < 0 || !is_included(reach, (guint32) number))
            continue;
        reach->reached[number] = 1;
        any = TRUE;
    }
    patch_includes_spread(reach->includes, reach->reached);
    for (guint32 i = 0; i < n; i++)
        reach->used[i] = reach->reached[i] && patch_includes_file(reach->includes, i)->is_root;
    patch_includes_spread_down(reach->includes, reach->used);
    return any;
}

static const char *
text_of(const Reach *reach, guint32 number, gsize *length)
{
    GMappedFile *text = patch_includes_file(reach->includes, number)->text;

    *length = g_mapped_file_get_length(text);
    return *length ? g_mapped_file_get_contents(text) : "";
}

/* A header that a patch adds can be included by what the patch changes, and by nothing else, as long as it cannot be taken for
 * another. */
static gboolean
check_new_headers(const Reach *reach, GError **error)
{
    for (guint i = 0; i < reach->files->files->len; i++) {
        const PatchFile *file = reach->files->files->pdata[i];
        g_autofree char *base = g_path_get_basename(file->path);

        for (guint32 j = 0; file->is_new && j < reach->includes->files->len; j++) {
            const char *path = patch_includes_file(reach->includes, j)->path;
            g_autofree char *its = g_path_get_basename(path);

            if (!g_str_equal(base, its))
                continue;
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                        "the patch adds the header %s, which files that it does not change may then include in place of %s: "
                        "give it a name of its own", file->path, path);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean
add_patched(Reach *reach, PatchConstructs *constructs, GError **error)
{
    guint n = reach->includes->files->len;

    for (guint i = 0; i < reach->files->files->len; i++) {
        const PatchFile *file = reach->files->files->pdata[i];
        g_autofree char *path = g_build_filename(patch_build_overlay(reach->build), file->path, NULL);
        gint64 number = patch_includes_find(reach->includes, file->path);
        g_autofree char *text = NULL;
        gsize length;

        if (!file->is_new && (number < 0 || !is_included(reach, (guint32) number)))
            continue;
        if (!g_file_get_contents(path, &text, &length, error))
            return FALSE;
        if (!file->is_new && patch_includes_file(reach->includes, (guint32) number)->is_root) {
            const char *old_text = text_of(reach, (guint32) number, &length);

            patch_constructs_add(constructs, (guint32) number, old_text, length);
        }
        patch_constructs_add(constructs, n + i, text, strlen(text));
        patch_constructs_taint_changed(constructs, file->is_new ? NO_FILE : (guint32) number, n + i);
    }
    return TRUE;
}

/* What is in the header NUMBER, or in one that the patch adds (-1), is in every file that includes it, or any that the patch
 * changes. */
static void
mark_emitting(Reach *reach, gint64 number)
{
    if (number >= 0 && !patch_includes_file(reach->includes, (guint32) number)->is_root)
        reach->emitting[number] = 1;
    for (guint i = 0; number < 0 && i < reach->files->files->len; i++) {
        gint64 other = patch_includes_find(reach->includes, ((const PatchFile *) reach->files->files->pdata[i])->path);

        if (other >= 0)
            mark_emitting(reach, other);
    }
}

/* What a tainted construct of a header brings along is in every file that includes it. */
static void
find_emitting(Reach *reach, const PatchConstructs *constructs)
{
    guint n = reach->includes->files->len;

    for (guint i = 0; i < constructs->constructs->len; i++) {
        const PatchConstruct *construct = &g_array_index(constructs->constructs, PatchConstruct, i);
        gint64 number = construct->file;

        if (!construct->is_tainted || !construct->emits)
            continue;
        if (number >= n)
            number = patch_includes_find(reach->includes,
                                         ((const PatchFile *) reach->files->files->pdata[number - n])->path);
        mark_emitting(reach, number);
    }
    patch_includes_spread(reach->includes, reach->emitting);
}

static gboolean
is_of_patch(const PatchFiles *files, const char *path)
{
    for (guint i = 0; i < files->files->len; i++)
        if (g_str_equal(((const PatchFile *) files->files->pdata[i])->path, path))
            return TRUE;
    return FALSE;
}

static GPtrArray *
find_mentioning(Reach *reach, PatchConstructs *constructs, GHashTable *names, const GPtrArray *stems, guint *n_including)
{
    g_autoptr(PatchMakers) makers = patch_makers_new(constructs, names);
    GPtrArray *found = g_ptr_array_new_with_free_func(g_free);

    for (guint32 i = 0; i < reach->includes->files->len; i++) {
        const PatchIncludeFile *file = patch_includes_file(reach->includes, i);
        const char *text;
        gsize length;

        if (!file->is_root || !reach->reached[i])
            continue;
        ++*n_including;
        text = text_of(reach, i, &length);
        if (!is_of_patch(reach->files, file->path) &&
            (reach->emitting[i] || patch_makers_text(makers, stems, text, length)))
            g_ptr_array_add(found, g_strdup(file->path));
    }
    return found;
}

/* By how little there is to compile, those before others that the build is known of. */
static int
compare_probes(gconstpointer a, gconstpointer b, gpointer data)
{
    const PatchIncludeFile *one = *(const PatchIncludeFile *const *) a, *other = *(const PatchIncludeFile *const *) b;
    gboolean knows_one = patch_build_knows(data, one->path), knows_other = patch_build_knows(data, other->path);

    if (knows_one != knows_other)
        return knows_one ? -1 : 1;
    return g_mapped_file_get_length(one->text) < g_mapped_file_get_length(other->text) ? -1 : 1;
}

/* Then there is little in the file, but much to compile. */
static gboolean
makes_tracepoints(const PatchIncludeFile *file)
{
    const char *text = g_mapped_file_get_contents(file->text);

    return text && g_strstr_len(text, g_mapped_file_get_length(file->text), "CREATE_TRACE_POINTS");
}

/* Compiled files that include the header NUMBER (of PatchIncludeFile), to be unreffed. */
static GPtrArray *
find_probes(const Reach *reach, guint32 number)
{
    g_autofree guint8 *reached = g_malloc0(reach->includes->files->len);
    GPtrArray *probes = g_ptr_array_new();

    reached[number] = 1;
    patch_includes_spread(reach->includes, reached);
    for (guint32 i = 0; i < reach->includes->files->len; i++) {
        const PatchIncludeFile *file = patch_includes_file(reach->includes, i);

        if (file->is_root && reached[i] && g_str_has_suffix(file->path, ".c") && !makes_tracepoints(file))
            g_ptr_array_add(probes, (gpointer) file);
    }
    g_ptr_array_sort_with_data(probes, compare_probes, reach->build);
    return probes;
}

/* Not every file that includes a header for all that the text says does so in this build. */
static void
learn_types(Reach *reach, const PatchConstructs *constructs)
{
    for (guint i = 0; i < reach->files->files->len; i++) {
        gint64 number = patch_includes_find(reach->includes, ((const PatchFile *) reach->files->files->pdata[i])->path);
        g_autoptr(GPtrArray) probes = NULL;

        if (number < 0 || !patch_type_changes_want(reach->types, constructs, (guint32) number))
            continue;
        probes = find_probes(reach, (guint32) number);
        for (guint j = 0; j < probes->len && j < MAX_PROBES; j++) {
            const PatchIncludeFile *file = probes->pdata[j];
            g_autoptr(GPtrArray) names = g_ptr_array_new();

            g_ptr_array_add(names, file->path);
            if (patch_type_changes_want(reach->types, constructs, (guint32) number) &&
                patch_build_learn(reach->build, names, NULL))
                patch_type_changes_learn(reach->types, constructs, reach->build, file->path);
        }
    }
}

static GPtrArray *
find_by_text(Reach *reach, guint *n_including, GError **error)
{
    g_autoptr(PatchConstructs) constructs = patch_constructs_new();
    g_autoptr(GPtrArray) stems = g_ptr_array_new();
    g_autoptr(GHashTable) names = NULL;

    for (guint32 i = 0; i < reach->includes->files->len; i++) {
        gsize length;
        const char *text = text_of(reach, i, &length);

        if (reach->used[i] && !patch_includes_file(reach->includes, i)->is_root)
            patch_constructs_add(constructs, i, text, length);
    }
    if (!add_patched(reach, constructs, error))
        return NULL;
    learn_types(reach, constructs);
    patch_type_changes_forgive(reach->types, constructs, FALSE);
    names = patch_constructs_spread(constructs, stems);
    find_emitting(reach, constructs);
    return find_mentioning(reach, constructs, names, stems, n_including);
}

/* --- By what the preprocessor makes of it */

static gboolean
emits_tainted(const PatchConstructs *constructs)
{
    for (guint i = 0; i < constructs->constructs->len; i++) {
        const PatchConstruct *construct = &g_array_index(constructs->constructs, PatchConstruct, i);

        if (construct->is_tainted && construct->emits)
            return TRUE;
    }
    return FALSE;
}

gboolean
patch_reach_touches(const PatchReach *reach, const char *file, GError **error)
{
    g_autoptr(PatchConstructs) constructs = patch_constructs_new();
    g_autoptr(GHashTable) names = NULL;
    g_autofree char *old_text = patch_build_preprocess(reach->build, file, PATCH_BUILD_OLD, error);
    g_autofree char *new_text = old_text ? patch_build_preprocess(reach->build, file, PATCH_BUILD_NEW, error) : NULL;

    if (!new_text || g_str_equal(old_text, new_text))
        return FALSE;
    patch_constructs_add(constructs, 0, old_text, strlen(old_text));
    patch_constructs_add(constructs, 1, new_text, strlen(new_text));
    patch_constructs_taint_changed(constructs, 0, 1);
    patch_type_changes_forgive(reach->types, constructs, TRUE);
    names = patch_constructs_spread(constructs, NULL);
    return emits_tainted(constructs);
}

/* Most often, what assembly may use is a type that cannot be changed anyway. */
static gboolean
check_no_assembly(const PatchReach *reach, GError **error)
{
    for (guint i = 0; i < reach->candidates->len; i++) {
        guint used = 0;

        if (g_str_has_suffix(reach->candidates->pdata[i], ".c"))
            continue;
        if (patch_findings_override(patch_type_changes_findings(reach->types), 0, &used, error))
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                        "the patch changes what %s uses; code in assembly cannot be updated",
                        (const char *) reach->candidates->pdata[i]);
        return FALSE;
    }
    return TRUE;
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

const GPtrArray *
patch_reach_candidates(const PatchReach *reach)
{
    return reach->candidates;
}

void
patch_reach_free(PatchReach *reach)
{
    if (!reach)
        return;
    patch_type_changes_free(reach->types);
    g_clear_pointer(&reach->candidates, g_ptr_array_unref);
    g_free(reach);
}

PatchReach *
patch_reach_new(PatchBuild *build, const PatchFiles *files, guint8 *found, void (*say)(const char *text), GError **error)
{
    g_autoptr(GPtrArray) roots = patch_kbuild_sources(patch_build_kbuild(build), patch_build_source(build));
    g_autoptr(PatchReach) reach = g_new0(PatchReach, 1);
    g_auto(Reach) by_text = { .build = build, .files = files };
    g_autofree char *text = NULL;
    guint n_including = 0;

    reach->build = build;
    by_text.types = reach->types = patch_type_changes_new();
    by_text.includes = patch_includes_new(patch_build_source(build), patch_build_folder(build), roots);
    by_text.reached = g_malloc0(by_text.includes->files->len + 1);
    by_text.used = g_malloc0(by_text.includes->files->len + 1);
    by_text.emitting = g_malloc0(by_text.includes->files->len + 1);
    if (!check_new_headers(&by_text, error))
        return NULL;
    if (!find_reached(&by_text, found)) {
        reach->candidates = g_ptr_array_new_with_free_func(g_free);
        return g_steal_pointer(&reach);
    }
    reach->candidates = find_by_text(&by_text, &n_including, error);
    if (!reach->candidates || !check_no_assembly(reach, error) ||
        !patch_build_learn(build, reach->candidates, error))
        return NULL;
    g_ptr_array_sort(reach->candidates, compare_strings);
    text = g_strdup_printf("%u files include what the patch changes, %u of them may use it: each is looked at, and "
                           "compiled if it does", n_including, reach->candidates->len);
    if (say)
        say(text);
    return g_steal_pointer(&reach);
}
