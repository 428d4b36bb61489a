/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects of a kernel, built one at a time, before and after a source patch. The source tree is only read: what is
 * built lies in a cache folder of the user's.
 */
#ifndef PATCHER_BUILD_H
#define PATCHER_BUILD_H

#include "patcher/kbuild.h"
#include "patcher/patchfile.h"

typedef struct PatchBuild PatchBuild;

typedef enum {
    PATCH_BUILD_RUNNING,        /* as the kernel's own build makes it, from the source as it is */
    PATCH_BUILD_OLD,            /* the same with a section for each function and datum */
    PATCH_BUILD_NEW,            /* the same from the patched source */
    PATCH_BUILD_NEW_LINES,      /* as NEW, but what the patch left alone has its old line numbers (linemarks.h) */
    PATCH_BUILD_NEW_RUNNING,    /* the same as RUNNING: as the kernel's own build would make it */
    PATCH_BUILD_NEW_CODE,       /* as NEW with kernel-headers/ in front: static keys are tested in memory, warnings
                                   are calls; for code that the kernel's own tables do not know */
} PatchBuildVariant;

/* Prepares the source tree SOURCE for building with the config in the file CONFIG (NULL: its own), or finds it prepared, and
 * applies FILES in a tree of its own. A config that is called as in /boot (config-6.1.0-57-cloud-amd64) tells the kernel's
 * release, which some functions have in their code. SAY (may be NULL) is told what is being done. FILES is borrowed and gets its
 * edits. PATCH_ERROR_USAGE: SOURCE or CONFIG is not one; FAILED: the build; DOES_NOT_FIT: the patch does not apply. */
PatchBuild *patch_build_open(const char *source, const char *config, PatchFiles *files, void (*say)(const char *text),
                             GError **error);
void patch_build_close(PatchBuild *build);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchBuild, patch_build_close)

const char *patch_build_kernel(const PatchBuild *build);    /* version of the source, as 6.1.192 */
const char *patch_build_compiler(const PatchBuild *build);  /* first line of its --version */
/* Folder of the patched source tree. */
const char *patch_build_overlay(const PatchBuild *build);

/* The patch that is built. */
const PatchFiles *patch_build_files(const PatchBuild *build);

const PatchKbuild *patch_build_kbuild(const PatchBuild *build);
const char *patch_build_source(const PatchBuild *build);    /* the folders of the source, */
const char *patch_build_folder(const PatchBuild *build);    /* and of the kernel's build, which is prepared */

/* Finds out, in one go, how the kernel's build makes the objects of FILES (of char *: C files). */
gboolean patch_build_learn(PatchBuild *build, const GPtrArray *files, GError **error);

/* Whether that is known already. */
gboolean patch_build_knows(PatchBuild *build, const char *file);

/* Builds the object of the C file FILE (as fs/proc/uptime.c), unless that was done already. Returns the object file's
 * path, to be freed. Several threads may build objects at a time, but none one that another builds. */
char *patch_build_object(PatchBuild *build, const char *file, PatchBuildVariant variant, GError **error);

/* Removes what was built of FILE; if it is asked for again, it is built again. */
void patch_build_forget(PatchBuild *build, const char *file);

/* Builds the objects of FILES (of char *) in all VARIANTS (a mask of 1 << PatchBuildVariant) on all processors. What
 * fails is told by patch_build_object, if it is ever asked for. */
void patch_build_ahead(PatchBuild *build, const GPtrArray *files, guint variants);

/* The text of the C file FILE as the compiler sees it behind the preprocessor, unpatched (OLD) or patched (NEW); to be freed. */
char *patch_build_preprocess(PatchBuild *build, const char *file, PatchBuildVariant variant, GError **error);

/* The object file that the compiler makes of TEXT, which is FILE behind the preprocessor, with debugging information; to be
 * freed and removed. PATCH_ERROR_FAILED: it does not compile. */
char *patch_build_compile_text(PatchBuild *build, const char *file, const char *text, PatchBuildVariant variant,
                               GError **error);

/* Name of the module that the object of FILE becomes part of, as a running kernel spells it; to be freed. "" for
 * vmlinux. */
char *patch_build_module(PatchBuild *build, const char *file, GError **error);

#endif
