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

gboolean patch_saved_cmd_is_module(const PatchSavedCmd *saved);

/* Command number INDEX with the object going to OUTPUT, dependencies to OUTPUT.d, OPTIONS (may be NULL) added to the
 * compiler's, and, unless SOURCE is NULL, OVERLAY in the place of the source tree SOURCE wherever an argument names it. */
GStrv patch_saved_cmd_argv(const PatchSavedCmd *saved, guint index, const char *output, const char *const *options,
                           const char *source, const char *overlay);

#endif
