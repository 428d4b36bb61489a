/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many jobs on all processors, with word of how far they are.
 */
#ifndef PATCHER_PROGRESS_H
#define PATCHER_PROGRESS_H

#include <glib.h>

typedef struct {
    void (*say)(const char *text);  /* one line at a time; NULL: nothing is said */
    const char *(*name)(gconstpointer item);    /* for people; may be called by any thread */
    void (*run)(gpointer item, gpointer data);  /* called by several threads at a time */
    gpointer data;
    guint n_before, n_all;      /* of all items, how many were done before; 0: these are all */
    gint64 begun;               /* when the first of them was (monotonic, us); 0: now */
} PatchJobs;

/* Runs JOBS for each of ITEMS, and returns when all are done. */
void patch_jobs_run(const PatchJobs *jobs, const GPtrArray *items);

#endif
