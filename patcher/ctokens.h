/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tokens of C text, as they stand before the preprocessor; comments are passed over.
 */
#ifndef PATCHER_CTOKENS_H
#define PATCHER_CTOKENS_H

#include <glib.h>

typedef enum {
    PATCH_TOKEN_END,
    PATCH_TOKEN_NAME,           /* keywords too */
    PATCH_TOKEN_OTHER,          /* a number, string or character, or one byte of punctuation */
    PATCH_TOKEN_DIRECTIVE,      /* the # at the start of a line */
    PATCH_TOKEN_LINE,           /* the end of a directive's line */
} PatchTokenKind;

typedef struct {
    PatchTokenKind kind;
    const char *start;          /* in the text */
    gsize length;
} PatchToken;

typedef struct {
    const char *next, *end;
    gboolean at_line_start, in_directive;
} PatchTokens;

/* Whether C can be part of a name. */
gboolean patch_is_name_byte(char c);
/* The end of the line that TEXT is in. */
const char *patch_line_end(const char *text);

void patch_tokens_init(PatchTokens *tokens, const char *text, gsize length);
PatchToken patch_tokens_next(PatchTokens *tokens);

gboolean patch_token_is(const PatchToken *token, const char *text);

#endif
