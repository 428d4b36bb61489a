/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which files of a kernel tree include which, as the text says: whatever the conditions are, so some of it may not be so
 * in a build. A file of which the text does not say where it lies is looked for everywhere.
 */
#ifndef PATCHER_INCLUDES_H
#define PATCHER_INCLUDES_H

#include <glib.h>

typedef struct {
    char *path;                 /* within the tree, or the build folder */
    GMappedFile *text;
    GArray *includes;           /* of guint32: files */
    gboolean is_root;           /* one of those that the graph was made from */
} PatchIncludeFile;

typedef struct PatchIncludes PatchIncludes;

struct PatchIncludes {
    GPtrArray *files;           /* of PatchIncludeFile */
    GHashTable *by_path;        /* char * -> file + 1 */
    const char *source, *build; /* folders; borrowed */
    GHashTable *by_base;        /* char *: base name -> GPtrArray of char *: paths in the source; NULL until needed */
};

/* ROOTS (of char *) are the files that are compiled, in the tree SOURCE; BUILD is the build folder with its generated
 * headers. Both are borrowed. Files that cannot be read are passed over: the compiler will miss them. */
PatchIncludes *patch_includes_new(const char *source, const char *build, const GPtrArray *roots);
void patch_includes_free(PatchIncludes *includes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchIncludes, patch_includes_free)

const PatchIncludeFile *patch_includes_file(const PatchIncludes *includes, guint32 number);
/* Number of the file PATH, -1 if nothing includes it. */
gint64 patch_includes_find(const PatchIncludes *includes, const char *path);

/* Marks in REACHED, a byte for each file, all files that include a marked one, directly or by way of others. */
void patch_includes_spread(const PatchIncludes *includes, guint8 *reached);
/* The other way round: all files that a marked one includes. */
void patch_includes_spread_down(const PatchIncludes *includes, guint8 *used);

#endif
