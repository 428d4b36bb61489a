/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of a PatchBuild: shared by build.c, which prepares it, build-commands.c, which knows how the kernel's build makes an
 * object, and compile.c, which builds objects in it.
 */
#ifndef PATCHER_BUILD_PRIVATE_H
#define PATCHER_BUILD_PRIVATE_H

#include "patcher/build.h"
#include "patcher/cache.h"
#include "patcher/savedcmd.h"

struct PatchBuild {
    PatchCache *cache;
    PatchKbuild *kbuild;
    PatchFiles *files;          /* borrowed */
    void (*say)(const char *text);
    char *source;               /* absolute, without symbolic links */
    char *config;               /* text */
    char *compiler;             /* command */
    char *compiler_version;
    char *kernel;
    char *release;              /* what the running kernel calls itself; NULL: not known */
    gboolean delays_objtool;    /* the kernel's build runs objtool on all of vmlinux (scripts/Makefile.lib); for an object
                                   alone it has to be told to */
    char *folder;               /* the kernel's build, prepared */
    char *commands;             /* what the kernel's build would call for each object */
    char *work;                 /* of this PatchBuild only: */
    char *overlay;
    char *old_lines;            /* as the overlay, for PATCH_BUILD_NEW_LINES */
    char *headers, *new_code_headers;

    GMutex lock;                /* of what follows, and of the overlay's folders */
    guint n_opened;             /* how often that was done to the overlays' folders; see build_patched() */
    GHashTable *made;           /* "VARIANT-FILE" -> what came of building it; private to compile.c */
};

/* Runs make in the build folder with OPTION for TARGETS. SAID (may be NULL) receives its output. */
gboolean patch_build_make(PatchBuild *build, const char *option, const char *const *targets, char **said,
                          GError **error);
/* How it makes the object of FILE, which was learnt. */
PatchSavedCmd *patch_build_saved_cmd(PatchBuild *build, const char *file, GError **error);
void patch_build_made_free(gpointer made);

#endif
