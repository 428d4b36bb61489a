/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/kbuild.h"

#include <string.h>

#include "patcher/error.h"
#include "patcher/run.h"

static const char walk[] =
#include "patcher/kbuild/walk.inc"
;

void
patch_kbuild_free(PatchKbuild *kbuild)
{
    if (!kbuild)
        return;
    g_hash_table_unref(kbuild->objects);
    g_hash_table_unref(kbuild->targets);
    g_free(kbuild);
}

/* PATH without the "./" and "x/../" that Makefiles leave in it. */
static char *
canonical(const char *path)
{
    g_autofree char *absolute = g_canonicalize_filename(path, "/");

    return g_strdup(absolute + 1);
}

static void
add_object(PatchKbuild *kbuild, const char *target, const char *module)
{
    if (strstr(target, "/../"))
        g_hash_table_insert(kbuild->targets, canonical(target), g_strdup(target));
    g_hash_table_insert(kbuild->objects, canonical(target), canonical(module));
}

PatchKbuild *
patch_kbuild_parse(const char *text)
{
    PatchKbuild *kbuild = g_new0(PatchKbuild, 1);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    kbuild->objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    kbuild->targets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", 3);
        guint n = g_strv_length(words);

        if (n < 2 || !g_str_has_suffix(words[1], ".o"))
            continue;
        if (g_str_equal(words[0], "y"))
            add_object(kbuild, words[1], "");
        else if (g_str_equal(words[0], "m") && n == 3)
            add_object(kbuild, words[1], words[2]);
    }
    return kbuild;
}

char *
patch_kbuild_tops(const char *text)
{
    g_autoptr(GRegex) regex = g_regex_new("^(?:obj|init|core|drivers|libs|net|virt)-\\S*[ \\t]*[:+]?=[^\\n]*$",
                                          G_REGEX_MULTILINE | G_REGEX_RAW, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    GString *tops = g_string_new(NULL);

    for (g_regex_match(regex, text, 0, &match); g_match_info_matches(match); g_match_info_next(match, NULL)) {
        g_autofree char *line = g_match_info_fetch(match, 0);

        if (!strstr(line, "patsubst"))
            g_string_append_printf(tops, "%s\n", line);
    }
    return g_string_free(tops, FALSE);
}

static gboolean
write_tops(const char *source, const char *path, GError **error)
{
    static const char *const names[] = { "Makefile", "arch/x86/Makefile", "Kbuild" };
    g_autoptr(GString) all = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *file = g_build_filename(source, names[i], NULL);
        g_autofree char *text = NULL, *tops = NULL;

        if (!g_file_get_contents(file, &text, NULL, error))
            return FALSE;
        tops = patch_kbuild_tops(text);
        g_string_append(all, tops);
    }
    return g_file_set_contents(path, all->str, all->len, error);
}

static char *
run_walk(const char *source, const char *build, const char *store, GError **error)
{
    g_autofree char *script = g_strconcat(store, ".mk", NULL), *tops = g_strconcat(store, ".tops", NULL);
    g_autofree char *source_is = g_strconcat("srctree=", source, NULL), *tops_are = g_strconcat("tops=", tops, NULL);
    const char *argv[] = { "make", "--no-print-directory", "-I", source, "-f", script, source_is, tops_are, NULL };
    g_autoptr(GError) cause = NULL;
    g_autofree char *output = NULL;

    if (!g_file_set_contents(script, walk, -1, &cause) || !write_tops(source, tops, &cause)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", cause->message);
        return NULL;
    }
    if (!patch_run(build, argv, &output, error)) {
        g_prefix_error(error, "reading the kernel's Makefiles: ");
        return NULL;
    }
    if (g_file_set_contents(store, output, -1, &cause))
        return g_steal_pointer(&output);
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", cause->message);
    return NULL;
}

PatchKbuild *
patch_kbuild_open(const char *source, const char *build, const char *store, GError **error)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents(store, &text, NULL, NULL))
        text = run_walk(source, build, store, error);
    return text ? patch_kbuild_parse(text) : NULL;
}

static char *
object_of(const char *file)
{
    return g_strdup_printf("%.*s.o", (int) (strlen(file) - 2), file);
}

gboolean
patch_kbuild_has(const PatchKbuild *kbuild, const char *file)
{
    g_autofree char *object = object_of(file);

    return g_hash_table_contains(kbuild->objects, object);
}

char *
patch_kbuild_target(const PatchKbuild *kbuild, const char *file)
{
    g_autofree char *object = object_of(file);
    const char *target = g_hash_table_lookup(kbuild->targets, object);

    return target ? g_strdup(target) : g_steal_pointer(&object);
}

const char *
patch_kbuild_module(const PatchKbuild *kbuild, const char *file)
{
    g_autofree char *object = object_of(file);

    return g_hash_table_lookup(kbuild->objects, object);
}

static int
compare_paths(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

GPtrArray *
patch_kbuild_sources(const PatchKbuild *kbuild, const char *source)
{
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer object;

    g_hash_table_iter_init(&iter, kbuild->objects);
    while (g_hash_table_iter_next(&iter, &object, NULL))
        for (const char *suffix = "cS"; *suffix; suffix++) {
            g_autofree char *file = g_strdup_printf("%.*s%c", (int) (strlen(object) - 1), (char *) object, *suffix);
            g_autofree char *path = g_build_filename(source, file, NULL);

            if (g_file_test(path, G_FILE_TEST_EXISTS)) {
                g_ptr_array_add(files, g_steal_pointer(&file));
                break;
            }
        }
    g_ptr_array_sort(files, compare_paths);
    return files;
}
