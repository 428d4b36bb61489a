/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other end of a socket, played by a thread of the test.
 */
#ifndef TESTS_VMM_FAKE_PEER_H
#define TESTS_VMM_FAKE_PEER_H

#include <glib.h>

typedef struct FakePeer FakePeer;

/* Runs in the thread; the peer's end is closed when it returns. */
typedef void (*FakePeerFunc)(int fd, gpointer data);

/* *FD is our end, which is the caller's. */
FakePeer *fake_peer_new(FakePeerFunc func, gpointer data, int *fd);

/* Our end must be closed by then; waits for the thread. */
void fake_peer_free(FakePeer *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakePeer, fake_peer_free)

/* For the thread. Both are FALSE or NULL when the other side has closed. */
gboolean fake_peer_send(int fd, const char *data, gsize length);
char *fake_peer_read_line(int fd, GString *buffer);

#endif
