/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/includes.h"

#include <fts.h>
#include <string.h>

/* Where the kernel's build looks for <...>, in this order (LINUXINCLUDE in its Makefile). */
static const char *const search_path[] = {
    "arch/x86/include", "arch/x86/include/generated", "include", "arch/x86/include/uapi",
    "arch/x86/include/generated/uapi", "include/uapi", "include/generated/uapi",
};

/* What it puts in front of every C file. */
static const char *const everywhere[] = {
    "include/linux/compiler-version.h", "include/linux/kconfig.h", "include/linux/compiler_types.h",
};

static void
file_free(PatchIncludeFile *file)
{
    g_free(file->path);
    if (file->text)
        g_mapped_file_unref(file->text);
    g_array_unref(file->includes);
    g_free(file);
}

void
patch_includes_free(PatchIncludes *includes)
{
    if (!includes)
        return;
    g_ptr_array_unref(includes->files);
    g_hash_table_unref(includes->by_path);
    g_clear_pointer(&includes->by_base, g_hash_table_unref);
    g_free(includes);
}

const PatchIncludeFile *
patch_includes_file(const PatchIncludes *includes, guint32 number)
{
    return includes->files->pdata[number];
}

gint64
patch_includes_find(const PatchIncludes *includes, const char *path)
{
    return (gint64) GPOINTER_TO_UINT(g_hash_table_lookup(includes->by_path, path)) - 1;
}

/* Number of the file PATH, which is read if it is new; -1 if there is none. */
static gint64
ensure_file(PatchIncludes *includes, const char *path)
{
    gpointer known;
    g_autofree char *in_source = NULL, *in_build = NULL;
    GMappedFile *text;
    PatchIncludeFile *file;

    if (g_hash_table_lookup_extended(includes->by_path, path, NULL, &known))
        return (gint64) GPOINTER_TO_UINT(known) - 1;
    in_source = g_build_filename(includes->source, path, NULL);
    in_build = g_build_filename(includes->build, path, NULL);
    text = g_mapped_file_new(in_source, FALSE, NULL);
    if (!text)
        text = g_mapped_file_new(in_build, FALSE, NULL);
    if (!text) {
        g_hash_table_insert(includes->by_path, g_strdup(path), NULL);
        return -1;
    }
    file = g_new0(PatchIncludeFile, 1);
    file->path = g_strdup(path);
    file->text = text;
    file->includes = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_ptr_array_add(includes->files, file);
    g_hash_table_insert(includes->by_path, g_strdup(path), GUINT_TO_POINTER(includes->files->len));
    return includes->files->len - 1;
}

/* PATH without "x/../"; NULL if it leaves the tree. */
static char *
canonical(const char *path)
{
    g_autofree char *absolute = g_canonicalize_filename(path, "/");

    return absolute[1] ? g_strdup(absolute + 1) : NULL;
}

static gboolean
add_include(PatchIncludes *includes, guint32 from, const char *folder, const char *name)
{
    g_autofree char *joined = g_build_filename(folder, name, NULL);
    g_autofree char *path = canonical(joined);
    gint64 number = path ? ensure_file(includes, path) : -1;
    guint32 it = (guint32) number;

    if (number >= 0)
        g_array_append_val(((PatchIncludeFile *) includes->files->pdata[from])->includes, it);
    return number >= 0;
}

/* --- What lies where the text does not say */

static void
note_path(PatchIncludes *includes, const char *path, const char *base)
{
    GPtrArray *paths = g_hash_table_lookup(includes->by_base, base);

    if (!g_str_has_suffix(base, ".h") && !g_str_has_suffix(base, ".c"))
        return;
    if (!paths) {
        paths = g_ptr_array_new_with_free_func(g_free);
        g_hash_table_insert(includes->by_base, g_strdup(base), paths);
    }
    g_ptr_array_add(paths, g_strdup(path + strlen(includes->source) + 1));
}

static void
read_tree(PatchIncludes *includes)
{
    char *const roots[] = { (char *) includes->source, NULL };
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
    FTSENT *entry;

    includes->by_base = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
    while (tree && (entry = fts_read(tree)))
        if (entry->fts_level > 0 && entry->fts_info != FTS_D && entry->fts_info != FTS_DP)
            note_path(includes, entry->fts_path, entry->fts_name);
    if (tree)
        fts_close(tree);
}

/* NAME without the "../" it begins with, behind a slash. */
static char *
tail_of(const char *name)
{
    while (g_str_has_prefix(name, "../") || g_str_has_prefix(name, "./"))
        name = strchr(name, '/') + 1;
    return g_strconcat("/", name, NULL);
}

/* Some Makefiles add folders to the search path: any file whose path ends so may be meant. */
static void
add_anywhere(PatchIncludes *includes, guint32 from, const char *name)
{
    g_autofree char *base = g_path_get_basename(name), *tail = tail_of(name);
    const GPtrArray *paths;

    if (!includes->by_base)
        read_tree(includes);
    paths = g_hash_table_lookup(includes->by_base, base);
    for (guint i = 0; paths && i < paths->len; i++) {
        const char *path = paths->pdata[i];
        gboolean is_foreign = g_str_has_prefix(path, "arch/") && !g_str_has_prefix(path, "arch/x86/");

        if (!is_foreign && !g_str_has_prefix(path, "tools/") && g_str_has_suffix(path, tail))
            add_include(includes, from, "", path);
    }
}

static void
resolve(PatchIncludes *includes, guint32 from, const char *name, gboolean is_quoted)
{
    g_autofree char *folder = g_path_get_dirname(patch_includes_file(includes, from)->path);
    gboolean found = is_quoted && add_include(includes, from, folder, name);

    for (gsize i = 0; !found && i < G_N_ELEMENTS(search_path); i++)
        found = add_include(includes, from, search_path[i], name);
    if (!found)
        add_anywhere(includes, from, name);
}

/* LINE begins behind a # at the start of a line. */
static void
read_directive(PatchIncludes *includes, guint32 from, const char *line, const char *end)
{
    const char *name, *close;
    g_autofree char *copy = NULL;

    while (line < end && (*line == ' ' || *line == '\t'))
        line++;
    if ((gsize) (end - line) <= strlen("include") || memcmp(line, "include", strlen("include")) != 0)
        return;
    line += strlen("include");
    while (line < end && (*line == ' ' || *line == '\t'))
        line++;
    if (line == end || (*line != '<' && *line != '"'))
        return;
    name = line + 1;
    close = memchr(name, *line == '<' ? '>' : '"', end - name);
    if (!close)
        return;
    copy = g_strndup(name, close - name);
    resolve(includes, from, copy, *line == '"');
}

static void
read_file(PatchIncludes *includes, guint32 number)
{
    const PatchIncludeFile *file = patch_includes_file(includes, number);
    const char *text = g_mapped_file_get_contents(file->text);
    const char *end = text + g_mapped_file_get_length(file->text);

    for (const char *hash = text; text && (hash = memchr(hash, '#', end - hash)); hash++) {
        const char *before = hash, *line_end = memchr(hash, '\n', end - hash);

        while (before > text && (before[-1] == ' ' || before[-1] == '\t'))
            before--;
        if (before == text || before[-1] == '\n')
            read_directive(includes, number, hash + 1, line_end ? line_end : end);
    }
}

PatchIncludes *
patch_includes_new(const char *source, const char *build, const GPtrArray *roots)
{
    PatchIncludes *includes = g_new0(PatchIncludes, 1);

    includes->source = source;
    includes->build = build;
    includes->files = g_ptr_array_new_with_free_func((GDestroyNotify) file_free);
    includes->by_path = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < roots->len; i++) {
        gint64 number = ensure_file(includes, roots->pdata[i]);

        if (number < 0)
            continue;
        ((PatchIncludeFile *) includes->files->pdata[number])->is_root = TRUE;
        for (gsize j = 0; j < G_N_ELEMENTS(everywhere); j++)
            add_include(includes, (guint32) number, "", everywhere[j]);
    }
    for (guint32 i = 0; i < includes->files->len; i++)
        read_file(includes, i);
    return includes;
}

void
patch_includes_spread(const PatchIncludes *includes, guint8 *reached)
{
    gboolean spread = TRUE;

    while (spread) {
        spread = FALSE;
        for (guint32 i = 0; i < includes->files->len; i++) {
            const GArray *list = patch_includes_file(includes, i)->includes;

            for (guint j = 0; !reached[i] && j < list->len; j++)
                if (reached[g_array_index(list, guint32, j)])
                    reached[i] = spread = TRUE;
        }
    }
}

void
patch_includes_spread_down(const PatchIncludes *includes, guint8 *used)
{
    gboolean spread = TRUE;

    while (spread) {
        spread = FALSE;
        for (guint32 i = 0; i < includes->files->len; i++) {
            const GArray *list = patch_includes_file(includes, i)->includes;

            for (guint j = 0; used[i] && j < list->len; j++) {
                guint32 it = g_array_index(list, guint32, j);

                spread = spread || !used[it];
                used[it] = 1;
            }
        }
    }
}
