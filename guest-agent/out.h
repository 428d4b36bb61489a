/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON, written as it comes: one line to a file descriptor. What is written after a failure is lost, and out_end says so.
 */
#ifndef AGENT_OUT_H
#define AGENT_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No line is longer; what is asked for and would be, is answered by an error. */
#define OUT_MAX_LINE (4u << 20)

typedef struct {
    char *line;
    size_t length, room;
    bool overflow, need_comma;
} Out;

void out_clear(Out *out);       /* to the empty line */
void out_free(Out *out);

/* Objects and arrays; KEY is NULL in an array. */
void out_open(Out *out, const char *key, char bracket);
void out_close(Out *out, char bracket);
void out_number(Out *out, const char *key, long long value);
/* LENGTH bytes of any kind: what is no printable ASCII becomes \u00XX. */
void out_text(Out *out, const char *key, const char *text, size_t length);
void out_string(Out *out, const char *key, const char *text);

/* Sends the line and its end to FD; false if it could not. */
bool out_send(Out *out, int fd);

#endif
