/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Several commands, one after the other, as virsh takes them: in one argument, or typed at a prompt with completion and a
 * history. Each runs as a process of its own, as a process that has looked at a guest can reach no other (vmm/sandbox.h).
 */
#ifndef PATCHER_SHELL_H
#define PATCHER_SHELL_H

#include "patcher/command.h"

typedef struct {
    const PatchCommand *const *commands;    /* NULL at the end */
    char *uri;                              /* -c, or what 'connect' has made of it; may be NULL; of the caller to free */
    const char *const *options;             /* what else each command is given before its name; NULL at the end */
} PatchShell;

/* Runs the commands of LINE, all of them known ones, and goes on when one fails; STATUS is the last one's. *QUIT (may be
 * NULL) becomes TRUE if one was to leave the shell, which ends it. Errors: PATCH_ERROR_USAGE, and nothing is run then. */
gboolean patch_shell_run(PatchShell *shell, const char *line, int *status, gboolean *quit, GError **error);

/* Reads lines from the terminal until there are no more; returns the last command's status. */
int patch_shell_interact(PatchShell *shell);

#endif
