/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/constant-use.h"

#include <string.h>

#include "patcher/ctokens.h"

#define AROUND 2        /* tokens on each side that are looked at */

static gboolean
is_any(const PatchToken *token, const char *bytes)
{
    return token->kind == PATCH_TOKEN_OTHER && token->length == 1 && strchr(bytes, *token->start);
}

/* TOKEN is the constant, with AROUND others on either side of it. */
static guint
use_of(const PatchToken *token)
{
    gboolean is_right = is_any(token - 1, "=") && is_any(token - 2, "=!");
    gboolean is_left = is_any(token + 1, "=!") && is_any(token + 2, "=");
    gboolean is_alone = is_any(token + 1, ";,):}");

    if (is_right || is_left || patch_token_is(token - 1, "case"))
        return PATCH_CONSTANT_COMPARED;
    if (is_alone && (patch_token_is(token - 1, "return") || is_any(token - 1, "?:") ||
                     (is_any(token - 1, "=") && !is_any(token - 2, "<>"))))
        return PATCH_CONSTANT_STORED;
    return 0;
}

guint
patch_constant_use(const char *text, gsize length, const char *name)
{
    PatchToken window[2 * AROUND + 1] = { 0 };
    PatchTokens tokens;
    guint uses = 0;

    patch_tokens_init(&tokens, text, length);
    for (guint left = AROUND; left > 0;) {
        memmove(window, window + 1, 2 * AROUND * sizeof window[0]);
        window[2 * AROUND] = patch_tokens_next(&tokens);
        left -= window[2 * AROUND].kind == PATCH_TOKEN_END;
        if (window[AROUND].kind == PATCH_TOKEN_NAME && patch_token_is(&window[AROUND], name))
            uses |= use_of(&window[AROUND]);
    }
    return uses;
}
