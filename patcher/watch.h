/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watching over a guest after it was changed: for a while, looks from outside whether it still lives. Its machine has
 * to run, its kernel to be the one that was changed and not to have panicked, its log to tell of nothing that went wrong,
 * and each of its CPUs to move or to have nothing to do.
 */
#ifndef PATCHER_WATCH_H
#define PATCHER_WATCH_H

#include "patcher/guest.h"
#include "patcher/record.h"

typedef enum {
    PATCH_HEALTH_WELL,
    PATCH_HEALTH_ILL,
    PATCH_HEALTH_UNKNOWN,       /* the watch was cut short */
} PatchHealth;

typedef struct {
    PatchHealth health;
    double watched_s;           /* for how long it was looked at */
    char *seen;                 /* what is the matter, as a part of a sentence; NULL if nothing */
    gboolean runs;              /* even if it is ill, it can still be changed */
    gboolean undone;            /* for whoever takes out again what was installed */
} PatchWatchReport;

void patch_watch_report_clear(PatchWatchReport *report);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PatchWatchReport, patch_watch_report_clear)

typedef struct PatchWatch PatchWatch;

/* To be called before the change: what is in the log by now is not held against it. GUEST is borrowed. A guest whose
 * log cannot be read is watched all the same, with a warning. */
PatchWatch *patch_watch_new(const PatchGuest *guest, GError **error);
void patch_watch_free(PatchWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchWatch, patch_watch_free)

/* Watches the guest, in which RECORD was just installed, for that long, or until it is seen to be ill, somebody stops
 * it, or a signal comes that would end us. A CPU that seems to stand still is looked at for longer. */
void patch_watch_settle(PatchWatch *watch, const PatchRecord *record, double seconds, PatchWatchReport *report);

#endif
