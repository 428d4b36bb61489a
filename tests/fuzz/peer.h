/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Somebody at the other end of a UNIX socket, who says what the input is, whatever he is asked, and then hangs up.
 */
#ifndef TESTS_FUZZ_PEER_H
#define TESTS_FUZZ_PEER_H

#include <glib.h>

/* Listens on a socket of TYPE (SOCK_STREAM or SOCK_SEQPACKET), whose path is returned; once in a process. */
const char *fuzz_peer_listen(int type);

/* What is said to the next one who connects; who has to come, and to close his end. With packets, each is preceded by its
 * length (2 bytes), and PASSED_FD (-1: none; borrowed until then) goes with the first one. */
void fuzz_peer_says(const guint8 *data, gsize size, int passed_fd);

#endif
