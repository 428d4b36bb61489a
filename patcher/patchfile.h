/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A source patch: a unified diff against a kernel tree, read strictly, and applied to the text of files.
 *
 * Lines are counted from 1.
 */
#ifndef PATCHER_PATCHFILE_H
#define PATCHER_PATCHFILE_H

#include <glib.h>

/* A stretch of lines that the patch replaces. */
typedef struct {
    guint old_start, old_count;     /* old_count may be 0: lines put in before old_start */
    guint new_start, new_count;
} PatchEdit;

typedef struct {
    char *path;                 /* within the tree, as fs/proc/uptime.c */
    gboolean is_new;            /* a header that the patch adds */
    GPtrArray *hunks;           /* of PatchHunk, patchfile-private.h */
    GArray *edits;              /* of PatchEdit, ascending; set by patch_file_apply, for the text it was applied to */
} PatchFile;

typedef struct {
    char *text;
    GPtrArray *files;           /* of PatchFile */
    char *ignored;              /* a file that it changes and that is no part of any kernel, as documentation; or NULL */
} PatchFiles;

/* A patch that changes nothing. */
PatchFiles *patch_files_new(void);

/* Files that are no part of any kernel are left out. PATCH_ERROR_DOES_NOT_FIT: it is no unified diff, it removes or renames
 * files, creates others than headers, or names a path outside of the tree. */
PatchFiles *patch_files_parse(const char *text, GError **error);
void patch_files_free(PatchFiles *files);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchFiles, patch_files_free)

/* A file that is not changed; to be freed. */
PatchFile *patch_file_new(const char *path);
void patch_file_free(PatchFile *file);

/* The text of the patched file, from the text of the file as it is. Every line of context has to be there; it may have
 * moved. PATCH_ERROR_DOES_NOT_FIT if it is not. */
char *patch_file_apply(PatchFile *file, const char *text, GError **error);

/* Where line NEW_LINE of the patched file is in the unpatched one; 0 if the patch put it in. */
guint patch_file_old_line(const PatchFile *file, guint new_line);

/* Whether the patch changes, removes, or puts in any of the lines FIRST to LAST (inclusive) of the patched file. */
gboolean patch_file_touches(const PatchFile *file, guint first, guint last);

#endif
