/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/ctokens.h"

#include <string.h>

void
patch_tokens_init(PatchTokens *tokens, const char *text, gsize length)
{
    *tokens = (PatchTokens) { .next = text, .end = text + length, .at_line_start = TRUE };
}

gboolean
patch_token_is(const PatchToken *token, const char *text)
{
    return strlen(text) == token->length && memcmp(token->start, text, token->length) == 0;
}

static gboolean
looking_at(const PatchTokens *tokens, const char *text)
{
    gsize length = strlen(text);

    return (gsize) (tokens->end - tokens->next) >= length && memcmp(tokens->next, text, length) == 0;
}

static void
skip_until(PatchTokens *tokens, const char *text)
{
    while (tokens->next < tokens->end && !looking_at(tokens, text))
        tokens->next++;
    tokens->next += MIN((gsize) (tokens->end - tokens->next), strlen(text));
}

/* Passes over blanks, comments and joined lines. Stops at the end of a directive's line. */
static void
skip_blanks(PatchTokens *tokens)
{
    while (tokens->next < tokens->end) {
        if (looking_at(tokens, "/*")) {
            tokens->next += 2;
            skip_until(tokens, "*/");
        } else if (looking_at(tokens, "//")) {
            while (tokens->next < tokens->end && *tokens->next != '\n')
                tokens->next++;
        } else if (looking_at(tokens, "\\\n")) {
            tokens->next += 2;
        } else if (*tokens->next == '\n') {
            if (tokens->in_directive)
                return;
            tokens->at_line_start = TRUE;
            tokens->next++;
        } else if (g_ascii_isspace(*tokens->next)) {
            tokens->next++;
        } else {
            return;
        }
    }
}

const char *
patch_line_end(const char *text)
{
    return text + strcspn(text, "\n");
}

gboolean
patch_is_name_byte(char c)
{
    return g_ascii_isalnum(c) || c == '_' || c == '$';
}

/* A string or character ends at its quote, or at the end of the line where a quote is none (#error don't). */
static void
skip_quoted(PatchTokens *tokens)
{
    char quote = *tokens->next++;

    while (tokens->next < tokens->end && *tokens->next != quote && *tokens->next != '\n')
        tokens->next += *tokens->next == '\\' && tokens->end - tokens->next > 1 ? 2 : 1;
    if (tokens->next < tokens->end && *tokens->next == quote)
        tokens->next++;
}

static PatchTokenKind
skip_token(PatchTokens *tokens)
{
    char first = *tokens->next;

    if (first == '\n') {
        tokens->next++;
        tokens->in_directive = FALSE;
        tokens->at_line_start = TRUE;
        return PATCH_TOKEN_LINE;
    }
    if (first == '#' && tokens->at_line_start && !tokens->in_directive) {
        tokens->next++;
        tokens->in_directive = TRUE;
        return PATCH_TOKEN_DIRECTIVE;
    }
    tokens->at_line_start = FALSE;
    if (patch_is_name_byte(first)) {
        while (tokens->next < tokens->end && patch_is_name_byte(*tokens->next))
            tokens->next++;
        return g_ascii_isdigit(first) ? PATCH_TOKEN_OTHER : PATCH_TOKEN_NAME;
    }
    if (first == '"' || first == '\'')
        skip_quoted(tokens);
    else
        tokens->next++;
    return PATCH_TOKEN_OTHER;
}

PatchToken
patch_tokens_next(PatchTokens *tokens)
{
    PatchToken token = { .kind = PATCH_TOKEN_END };

    skip_blanks(tokens);
    token.start = tokens->next;
    if (tokens->next < tokens->end)
        token.kind = skip_token(tokens);
    else if (tokens->in_directive) {
        tokens->in_directive = FALSE;
        token.kind = PATCH_TOKEN_LINE;
    }
    token.length = tokens->next - token.start;
    return token;
}
