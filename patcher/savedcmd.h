/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands with which the kernel's build made an object, as it keeps them in .NAME.o.cmd, and how to run them again
 * for another source or output.
 */
#ifndef PATCHER_SAVEDCMD_H
#define PATCHER_SAVEDCMD_H

#include <glib.h>

typedef struct {
    GPtrArray *commands;        /* of GStrv: the compiler, then what works on the object */
    char *object;               /* as the commands name it */
} PatchSavedCmd;

/* TEXT is that of the .cmd file. PATCH_ERROR_FAILED: the commands are of a kind that is not known. */
PatchSavedCmd *patch_saved_cmd_parse(const char *text, GError **error);
void patch_saved_cmd_free(PatchSavedCmd *saved);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchSavedCmd, patch_saved_cmd_free)

/* What the kernel's build would put into the .cmd files, from what `make -n` prints: char *, the object -> char *, the
 * text for patch_saved_cmd_parse. */
GHashTable *patch_saved_cmd_texts(const char *dry_run);

/* The name of the module that the object becomes part of, as a running kernel spells it (nf_tables), to be freed; ""
 * if it becomes part of vmlinux. PATCH_ERROR_FAILED: it says neither; DOES_NOT_FIT: several modules share the object. */
char *patch_saved_cmd_module(const PatchSavedCmd *saved, GError **error);

/* How a command is to be run again. */
typedef struct {
    const char *output;         /* where the object goes; dependencies go to OUTPUT.d */
    const char *object;         /* where the object goes instead; may be NULL */
    const char *input;          /* source in the place of the command's; may be NULL */
    const char *const *options; /* added to the compiler's; may be NULL */
    const char *include;        /* folder whose headers come first; may be NULL */
    const char *source, *overlay;   /* OVERLAY is put in the place of SOURCE wherever an argument names it; NULL: not */
} PatchCmdChange;

GStrv patch_saved_cmd_argv(const PatchSavedCmd *saved, guint index, const PatchCmdChange *change);

#endif
