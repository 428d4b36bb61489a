/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest-agent/out.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
out_clear(Out *out)
{
    out->length = 0;
    out->overflow = out->need_comma = false;
}

void
out_free(Out *out)
{
    free(out->line);
}

static void
put(Out *out, const char *text, size_t length)
{
    if (out->overflow || length > OUT_MAX_LINE - out->length) {
        out->overflow = true;
        return;
    }
    if (out->length + length > out->room) {
        size_t room = (out->length + length) * 2;
        char *line = realloc(out->line, room);

        if (line == NULL) {
            out->overflow = true;
            return;
        }
        out->line = line;
        out->room = room;
    }
    memcpy(out->line + out->length, text, length);
    out->length += length;
}

static void
put_key(Out *out, const char *key)
{
    if (out->need_comma)
        put(out, ",", 1);
    out->need_comma = true;
    if (key == NULL)
        return;
    put(out, "\"", 1);
    put(out, key, strlen(key));
    put(out, "\":", 2);
}

void
out_open(Out *out, const char *key, char bracket)
{
    put_key(out, key);
    put(out, &bracket, 1);
    out->need_comma = false;
}

void
out_close(Out *out, char bracket)
{
    put(out, &bracket, 1);
    out->need_comma = true;
}

void
out_number(Out *out, const char *key, long long value)
{
    char text[24];

    put_key(out, key);
    put(out, text, (size_t) snprintf(text, sizeof text, "%lld", value));
}

void
out_text(Out *out, const char *key, const char *text, size_t length)
{
    put_key(out, key);
    put(out, "\"", 1);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char) text[i];
        char escaped[8];

        if (c >= ' ' && c < 0x7f && c != '"' && c != '\\')
            put(out, text + i, 1);
        else
            put(out, escaped, (size_t) snprintf(escaped, sizeof escaped, "\\u%04x", c));
    }
    put(out, "\"", 1);
}

void
out_string(Out *out, const char *key, const char *text)
{
    out_text(out, key, text, strlen(text));
}

bool
out_send(Out *out, int fd)
{
    put(out, "\n", 1);
    for (size_t sent = 0; sent < out->length && !out->overflow;) {
        ssize_t now = write(fd, out->line + sent, out->length - sent);

        if (now > 0) {
            sent += (size_t) now;
        } else if (now < 0 && errno == EAGAIN) {
            struct pollfd wait = { .fd = fd, .events = POLLOUT };

            poll(&wait, 1, -1);
        } else if (now == 0 || errno != EINTR) {
            return false;
        }
    }
    return !out->overflow;
}
