/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line of commands, as virsh understands one: words with the quotes and backslashes of the shell, commands separated by
 * semicolons or newlines, comments from # on.
 */
#ifndef PATCHER_WORDS_H
#define PATCHER_WORDS_H

#include <glib.h>

/* The commands of LINE, of GStrv, to be unreferenced; none if it is blank. Errors: PATCH_ERROR_USAGE (a quote that does
 * not end). */
GPtrArray *patch_words_split(const char *line, GError **error);

/* Where the command begins that the end of LINE belongs to. */
const char *patch_words_last_command(const char *line);

#endif
