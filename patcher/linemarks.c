/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/linemarks.h"

#include <string.h>

#include "patcher/ctokens.h"

typedef struct {
    const PatchFile *file;
    const char *text, *copied;  /* TEXT is in the result up to COPIED */
    const char *counted;        /* LINE is the line that this is on */
    guint line;
    gint64 shift;               /* by which the compiler's count is behind the patched file's */
    guint parens;               /* open */
    gboolean in_directive, at_line_start;
    GString *result;
} Marker;

static void
count_lines(Marker *marker, const char *place)
{
    for (; marker->counted < place; marker->counted++)
        if (*marker->counted == '\n') {
            marker->line++;
            marker->at_line_start = TRUE;
        }
}

/* A mark may stand between two tokens that are on different lines, but not within a directive, nor within the arguments
 * of a macro or between its name and them. */
static void
mark_before(Marker *marker, const PatchToken *token)
{
    guint old_line = patch_file_old_line(marker->file, marker->line);

    if (!marker->at_line_start || marker->in_directive || marker->parens || patch_token_is(token, "(") || !old_line ||
        (gint64) marker->line - old_line == marker->shift)
        return;
    g_string_append_len(marker->result, marker->copied, token->start - marker->copied);
    g_string_append_printf(marker->result, "\n#line %u\n", old_line);
    marker->copied = token->start;
    marker->shift = (gint64) marker->line - old_line;
}

static void
pass(Marker *marker, const PatchToken *token)
{
    gboolean is_first = token->start == marker->text || token->start[-1] == '\n';

    if (token->kind == PATCH_TOKEN_DIRECTIVE)
        marker->in_directive = TRUE;
    else if (token->kind == PATCH_TOKEN_LINE)
        marker->in_directive = FALSE;
    else if (marker->in_directive)
        return;
    else if (patch_token_is(token, "("))
        marker->parens++;
    else if (patch_token_is(token, ")") && marker->parens)
        marker->parens--;
    else if (patch_token_is(token, "}") && is_first)
        marker->parens = 0;     /* they may be unbalanced where #if leaves one of two lines out */
}

char *
patch_line_marks_add(const PatchFile *file, const char *text)
{
    Marker marker = { .file = file, .text = text, .copied = text, .counted = text, .line = 1 };
    PatchTokens tokens;
    PatchToken token;

    marker.result = g_string_new(NULL);
    patch_tokens_init(&tokens, text, strlen(text));
    for (token = patch_tokens_next(&tokens); token.kind != PATCH_TOKEN_END; token = patch_tokens_next(&tokens)) {
        count_lines(&marker, token.start);
        mark_before(&marker, &token);
        marker.at_line_start = FALSE;
        count_lines(&marker, token.start + token.length);
        pass(&marker, &token);
    }
    g_string_append(marker.result, marker.copied);
    return g_string_free(marker.result, FALSE);
}
