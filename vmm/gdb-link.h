/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection to a gdb stub: requests go out together, and as many answers come back, between which the stub may say what
 * nobody asked for.
 *
 * Sources: "Remote Protocol" in gdb's manual; QEMU's gdbstub.c.
 */
#ifndef VMM_GDB_LINK_H
#define VMM_GDB_LINK_H

#include <glib.h>

typedef struct VmmGdbLink VmmGdbLink;

/* Takes over FD. */
VmmGdbLink *vmm_gdb_link_new(int fd);
void vmm_gdb_link_free(VmmGdbLink *link);

/* Before all else, with a stub whose last client may have gone in the middle of a packet: ends that one. Errors: LOST,
 * UNREACHABLE, PROTOCOL. */
gboolean vmm_gdb_link_resync(VmmGdbLink *link, GError **error);

/* Appends a request to REQUESTS. */
void vmm_gdb_add_request(GString *requests, const char *payload);

/* Sends REQUESTS, which are N, and returns their N answers, to be unreferenced. Errors: LOST, UNREACHABLE, PROTOCOL. */
GPtrArray *vmm_gdb_link_ask(VmmGdbLink *link, const GString *requests, guint n, GError **error);

/* Answer INDEX; owned by ANSWERS. */
const GString *vmm_gdb_answer(const GPtrArray *answers, guint index);

/* ANSWER, to a request ABOUT something, makes no sense. Returns FALSE. Error: PROTOCOL. */
gboolean vmm_gdb_set_answer_error(const char *about, const GString *answer, GError **error);

/* What the monitor behind the stub printed while the last answers were waited for. */
const char *vmm_gdb_link_printed(const VmmGdbLink *link);

#endif
