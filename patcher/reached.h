/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The objects that a change of headers may reach, some at a time: each is looked at, built if it is touched, put into the
 * update, and what was built of it is removed. So what cannot be carried is told as soon as it is met, and neither memory nor
 * disk follow how many there are.
 */
#ifndef PATCHER_REACHED_H
#define PATCHER_REACHED_H

#include "patcher/build.h"
#include "patcher/reach.h"
#include "patcher/update.h"

/* Adds the object of FILE to the update, if it changes. */
typedef gboolean (*PatchReachedAdd)(gpointer data, const PatchFile *file, GError **error);

typedef struct {
    PatchBuild *build;
    const PatchReach *reach;
    const PatchUpdate *update;  /* what ADD adds to */
    PatchReachedAdd add;        /* called by one thread, for one file after the other, by path */
    gpointer data;
    void (*say)(const char *text);  /* may be NULL */
} PatchReached;

/* N_TOUCHED is set to how many files depend on the change. PATCH_ERROR_DOES_NOT_FIT: there are more objects than an update can
 * have; and those of ADD. */
gboolean patch_reached_go_through(const PatchReached *reached, guint *n_touched, GError **error);

/* What to tell of an update that grows large, of which N_DONE files of N_ALL have brought so many functions and objects; NULL:
 * nothing. To be freed. */
char *patch_reached_warning(guint n_done, guint n_all, guint n_objects, guint n_functions);

#endif
