/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/patchfile-private.h"

#include "patcher/error.h"

#define MAX_LINES 10000000

typedef struct {
    GPtrArray *lines;
    guint next;
    gboolean skips;             /* what git says is about a file that is never built */
} Reader;

static void
hunk_free(PatchHunk *hunk)
{
    g_ptr_array_unref(hunk->old_lines);
    g_ptr_array_unref(hunk->new_lines);
    g_array_unref(hunk->kinds);
    g_free(hunk);
}

PatchFile *
patch_file_new(const char *path)
{
    PatchFile *file = g_new0(PatchFile, 1);

    file->path = g_strdup(path);
    file->hunks = g_ptr_array_new_with_free_func((GDestroyNotify) hunk_free);
    file->edits = g_array_new(FALSE, FALSE, sizeof(PatchEdit));
    return file;
}

void
patch_file_free(PatchFile *file)
{
    g_free(file->path);
    g_ptr_array_unref(file->hunks);
    g_array_unref(file->edits);
    g_free(file);
}

void
patch_files_free(PatchFiles *files)
{
    if (!files)
        return;
    g_free(files->text);
    g_free(files->ignored);
    g_ptr_array_unref(files->files);
    g_free(files);
}

GPtrArray *
patch_split_lines(const char *text)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);

    while (*text) {
        const char *end = strchr(text, '\n');
        gsize length = end ? (gsize) (end - text) + 1 : strlen(text);

        g_ptr_array_add(lines, g_strndup(text, length));
        text += length;
    }
    return lines;
}

static gboolean
refuse(GError **error, const char *format, const char *what)
{
    g_autofree char *shown = g_strchomp(g_utf8_make_valid(what, -1));

    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, format, shown);
    return FALSE;
}

static const char *
peek(const Reader *reader, guint ahead)
{
    return reader->next + ahead < reader->lines->len ? reader->lines->pdata[reader->next + ahead] : "";
}

/* Whether a file of the tree is no part of any kernel. */
static gboolean
is_never_built(const char *path)
{
    static const char *const places[] = {
        "Documentation/", "LICENSES/", "samples/", "tools/", "MAINTAINERS", "CREDITS", ".mailmap", ".gitignore",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(places); i++)
        if (g_str_has_prefix(path, places[i]))
            return TRUE;
    return FALSE;
}

/* LINE is "--- a/PATH" or "+++ b/PATH", perhaps with a date behind it. For /dev/null "" is returned. */
static char *
path_of(const char *line, GError **error)
{
    g_autofree char *name = g_strndup(line + 4, strcspn(line + 4, " \t\r\n"));
    g_auto(GStrv) parts = NULL;
    char *slash;

    if (g_str_equal(name, "/dev/null"))
        return g_strdup("");
    slash = strchr(name, '/');
    if (*name == '/' || *name == '"' || !slash || !slash[1]) {
        refuse(error, "the patch names the file %s, which is not of the form a/PATH", name);
        return NULL;
    }
    parts = g_strsplit(slash + 1, "/", -1);
    for (char **part = parts; *part; part++)
        if (!**part || g_str_equal(*part, ".") || g_str_equal(*part, "..")) {
            refuse(error, "the patch names the file %s, which is not a path within the source tree", name);
            return NULL;
        }
    return g_strdup(slash + 1);
}

static gboolean
parse_number(const char **cursor, guint *number)
{
    char *end;
    guint64 value;

    if (!g_ascii_isdigit(**cursor))
        return FALSE;
    value = g_ascii_strtoull(*cursor, &end, 10);
    *cursor = end;
    *number = MIN(value, MAX_LINES);
    return TRUE;
}

/* "-START,COUNT", or "-START" for one line; the same with a plus. */
static gboolean
parse_range(const char **cursor, char sign, guint *start, guint *count)
{
    if (*(*cursor)++ != sign || !parse_number(cursor, start))
        return FALSE;
    *count = 1;
    if (**cursor != ',')
        return TRUE;
    (*cursor)++;
    return parse_number(cursor, count);
}

static void
add_line(PatchHunk *hunk, char kind, const char *text)
{
    g_array_append_val(hunk->kinds, kind);
    if (kind != '+')
        g_ptr_array_add(hunk->old_lines, g_strdup(text));
    if (kind != '-')
        g_ptr_array_add(hunk->new_lines, g_strdup(text));
}

static void
chop_newline(GPtrArray *lines)
{
    char *line = lines->pdata[lines->len - 1];
    gsize length = strlen(line);

    if (length && line[length - 1] == '\n')
        line[length - 1] = 0;
}

/* "\ No newline at end of file" speaks of the line before it. */
static void
strip_newline(PatchHunk *hunk)
{
    char kind = hunk->kinds->len ? g_array_index(hunk->kinds, char, hunk->kinds->len - 1) : 0;

    if (kind == ' ' || kind == '-')
        chop_newline(hunk->old_lines);
    if (kind == ' ' || kind == '+')
        chop_newline(hunk->new_lines);
}

static gboolean
parse_hunk(Reader *reader, PatchFile *file, GError **error)
{
    const char *header = peek(reader, 0), *cursor = header + 3;
    PatchHunk *hunk = g_new0(PatchHunk, 1);
    guint old_count = 0, new_count = 0, new_start;

    hunk->old_lines = g_ptr_array_new_with_free_func(g_free);
    hunk->new_lines = g_ptr_array_new_with_free_func(g_free);
    hunk->kinds = g_array_new(FALSE, FALSE, sizeof(char));
    g_ptr_array_add(file->hunks, hunk);
    if (!parse_range(&cursor, '-', &hunk->old_start, &old_count) || *cursor++ != ' ' ||
        !parse_range(&cursor, '+', &new_start, &new_count) || !g_str_has_prefix(cursor, " @@"))
        return refuse(error, "the patch has a malformed line: %s", header);
    for (reader->next++; hunk->old_lines->len < old_count || hunk->new_lines->len < new_count; reader->next++) {
        const char *line = peek(reader, 0);

        if (*line == ' ' || *line == '-' || *line == '+')
            add_line(hunk, *line, line + 1);
        else if (*line == '\n')
            add_line(hunk, ' ', line);
        else if (*line == '\\')
            strip_newline(hunk);
        else
            return refuse(error, "the patch is cut short or damaged in the hunk %s", header);
    }
    if (*peek(reader, 0) == '\\') {
        strip_newline(hunk);
        reader->next++;
    }
    if (hunk->old_lines->len != old_count || hunk->new_lines->len != new_count)
        return refuse(error, "the patch is damaged in the hunk %s", header);
    return TRUE;
}

static PatchFile *
file_of(PatchFiles *files, const char *path)
{
    PatchFile *file;

    for (guint i = 0; i < files->files->len; i++) {
        file = files->files->pdata[i];
        if (g_str_equal(file->path, path))
            return file;
    }
    file = patch_file_new(path);
    g_ptr_array_add(files->files, file);
    return file;
}

/* What two lines say of a file: its path, and whether it is new, or what is wrong with changing it so. */
static char *
parse_names(const Reader *reader, gboolean *is_new, GError **error)
{
    g_autofree char *old_path = path_of(peek(reader, 0), error);
    g_autofree char *new_path = old_path ? path_of(peek(reader, 1), error) : NULL;

    if (!new_path)
        return NULL;
    if (is_never_built(*new_path ? new_path : old_path))
        return g_strdup(*new_path ? new_path : old_path);
    *is_new = !*old_path && g_str_has_suffix(new_path, ".h");
    if (*is_new)
        return g_steal_pointer(&new_path);
    if (!*old_path || !*new_path)
        refuse(error, *new_path ? "the patch adds the file %s; an update can only change existing ones, and add headers"
                                : "the patch removes the file %s; an update can only change what files hold",
               *new_path ? new_path : old_path);
    else if (!g_str_equal(old_path, new_path))
        refuse(error, "the patch renames %s; an update can only change files in place", old_path);
    else
        return g_steal_pointer(&new_path);
    return NULL;
}

static gboolean
parse_file(Reader *reader, PatchFiles *files, GError **error)
{
    gboolean parsed = TRUE, is_new = FALSE;
    g_autofree char *path = parse_names(reader, &is_new, error);
    PatchFile *file;

    if (!path)
        return FALSE;
    file = file_of(files, path);
    if (file->hunks->len)
        return refuse(error, "the patch changes %s in two places of its own; merge them into one", path);
    file->is_new = is_new;
    reader->next += 2;
    while (parsed && g_str_has_prefix(peek(reader, 0), "@@ "))
        parsed = parse_hunk(reader, file, error);
    if (parsed && !file->hunks->len)
        return refuse(error, "the patch says nothing of %s", path);
    if (parsed && is_never_built(path)) {
        g_free(files->ignored);
        files->ignored = g_steal_pointer(&path);
        g_ptr_array_remove(files->files, file);
    }
    return parsed;
}

/* What git says outside of hunks and a unified diff cannot. */
static gboolean
check_extended(Reader *reader, GError **error)
{
    static const char *const refused[] = {
        "rename from ", "copy from ", "new file mode ", "deleted file mode ", "old mode ", "GIT binary patch",
        "Binary files ",
    };
    const char *line = peek(reader, 0);
    gboolean names_follow = g_str_has_prefix(peek(reader, 2), "--- ");  /* which say more */

    if (g_str_has_prefix(line, "diff --git a/"))
        reader->skips = is_never_built(line + strlen("diff --git a/"));
    for (gsize i = 0; !reader->skips && i < G_N_ELEMENTS(refused); i++)
        if (g_str_has_prefix(line, refused[i]) && !(strstr(line, " file mode ") && names_follow))
            return refuse(error, "the patch does more than change the text of existing files: %s", line);
    return TRUE;
}

/* A mail's line ends, if TEXT has them. */
static char *
without_returns(const char *text)
{
    g_autoptr(GString) plain = g_string_new(text);

    if (strstr(text, "\r\n--- ") || g_str_has_prefix(text, "--- "))
        g_string_replace(plain, "\r\n", "\n", 0);
    return g_string_free(g_steal_pointer(&plain), FALSE);
}

PatchFiles *
patch_files_new(void)
{
    PatchFiles *files = g_new0(PatchFiles, 1);

    files->text = g_strdup("");
    files->files = g_ptr_array_new_with_free_func((GDestroyNotify) patch_file_free);
    return files;
}

PatchFiles *
patch_files_parse(const char *text, GError **error)
{
    g_autoptr(PatchFiles) files = patch_files_new();
    g_autofree char *plain = without_returns(text);
    g_autoptr(GPtrArray) lines = patch_split_lines(plain);
    Reader reader = { .lines = lines };

    g_free(files->text);
    files->text = g_strdup(text);
    while (reader.next < lines->len) {
        if (g_str_has_prefix(peek(&reader, 0), "--- ") && g_str_has_prefix(peek(&reader, 1), "+++ ")) {
            if (!parse_file(&reader, files, error))
                return NULL;
        } else {
            if (!check_extended(&reader, error))
                return NULL;
            reader.next++;
        }
    }
    if (!files->files->len && files->ignored) {
        refuse(error, "the patch changes only what is no part of any kernel (%s)", files->ignored);
        return NULL;
    }
    if (!files->files->len) {
        refuse(error, "there is no unified diff in the patch%s", "");
        return NULL;
    }
    return g_steal_pointer(&files);
}
