/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/words.h"

#include <string.h>

#include "patcher/error.h"

/* The first separator from TEXT on that is neither quoted nor in a comment, or the end. */
static const char *
find_separator(const char *text)
{
    gboolean in_word = FALSE;
    char quote = '\0';

    for (; *text; text++) {
        if (*text == '\\' && quote != '\'' && text[1]) {
            text++;
            in_word = TRUE;
        } else if (quote) {
            quote = *text == quote ? '\0' : quote;
        } else if (*text == ';' || *text == '\n') {
            break;
        } else if (*text == '#' && !in_word) {
            text += strcspn(text, "\n");
            break;
        } else {
            quote = *text == '"' || *text == '\'' ? *text : '\0';
            in_word = !g_ascii_isspace(*text);
        }
    }
    return text;
}

const char *
patch_words_last_command(const char *line)
{
    for (const char *end; *(end = find_separator(line));)
        line = end + 1;
    return line;
}

GPtrArray *
patch_words_split(const char *line, GError **error)
{
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify) g_strfreev);

    while (*line) {
        const char *end = find_separator(line);
        g_autofree char *text = g_strndup(line, end - line);
        g_autoptr(GError) cause = NULL;
        char **words = NULL;

        if (g_shell_parse_argv(text, NULL, &words, &cause)) {
            g_ptr_array_add(commands, words);
        } else if (!g_error_matches(cause, G_SHELL_ERROR, G_SHELL_ERROR_EMPTY_STRING)) {
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "%s: a quote does not end", g_strstrip(text));
            return NULL;
        }
        line = *end ? end + 1 : end;
    }
    return g_steal_pointer(&commands);
}
