/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UNIX stream sockets with deadlines. Deadlines are points of g_get_monotonic_time() (microseconds).
 * No call here raises SIGPIPE or is cut short by a signal.
 */
#ifndef VMM_SOCKET_H
#define VMM_SOCKET_H

#include <sys/types.h>

#include <glib.h>

/* A file descriptor that closes itself: VMM_AUTO_FD int fd = -1; */
void vmm_fd_clear(int *fd);
#define VMM_AUTO_FD __attribute__((cleanup(vmm_fd_clear)))
int vmm_fd_steal(int *fd);

/* A connected, non-blocking, close-on-exec socket, or -1. Errors: USAGE (path too long), NOT_FOUND, BUSY,
 * UNREACHABLE. */
int vmm_socket_connect(const char *path, GError **error);

/* The same for a socket that keeps packets apart (SOCK_SEQPACKET); it blocks. */
int vmm_socket_connect_packets(const char *path, GError **error);

/* The process that listens at the other end, as it was when it began to listen. Errors: UNREACHABLE. */
gboolean vmm_socket_peer_pid(int fd, pid_t *pid, GError **error);

/* Waits for EVENTS (poll's) or the deadline. Returns what is there, 0 when time is up. */
short vmm_socket_wait(int fd, short events, gint64 deadline);

/* Sends what can be sent at once of DATA from *SENT on, and moves *SENT. Errors: LOST. */
gboolean vmm_socket_send_some(int fd, const char *data, gsize length, gsize *sent, GError **error);

/* Sends all of it. Errors: LOST, UNREACHABLE (time is up). */
gboolean vmm_socket_send(int fd, const char *data, gsize length, gint64 deadline, GError **error);

/* Appends what has come to BUFFER, waiting until something does. Errors: LOST, UNREACHABLE (time is up). */
gboolean vmm_socket_receive(int fd, GString *buffer, gint64 deadline, GError **error);

#endif
