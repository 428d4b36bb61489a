/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was done to which guest, when and by whom: an SQLite database for people and fleets. Nothing depends on it; what
 * is installed in a guest is in the guest's own memory.
 *
 * It lies in the state directory, which is only root's: /var/lib/virt-livepatch unless configured otherwise, or what the
 * environment's VIRT_LIVEPATCH_STATE says.
 */
#ifndef PATCHER_HISTORY_H
#define PATCHER_HISTORY_H

#include <glib.h>

typedef struct {
    gint64 at;                  /* us since 1970 */
    char *guest, *verb, *ids;   /* ids: of updates, ", " between them; "" if it did not come to that */
    char *user;                 /* who called it, through sudo too */
    gint64 uid;
    gint64 pause_ns;            /* for how long the guest stood still in the pause that counted; 0 if in none */
    int status;                 /* exit status */
    char *message;              /* what was wrong; "" if nothing was */
} PatchEvent;

void patch_event_free(PatchEvent *event);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchEvent, patch_event_free)

/* One of VERB on GUEST, by whoever runs this, now. */
PatchEvent *patch_event_new(const char *verb, const char *guest);

void patch_event_set_ids(PatchEvent *event, const char *ids);

/* Several processes may do so at a time. Errors: PATCH_ERROR_FAILED. */
gboolean patch_history_add(const PatchEvent *event, GError **error);

/* Of PatchEvent, oldest first, those of GUEST (NULL: of all); to be unreffed. No database is an empty history. */
GPtrArray *patch_history_read(const char *guest, GError **error);

#endif
