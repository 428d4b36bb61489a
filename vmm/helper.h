/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the small processes beside ours have in common: they are forked while little is going on yet, outlive us if they
 * have to, and are waited for when they have nothing left to do.
 */
#ifndef VMM_HELPER_H
#define VMM_HELPER_H

#include <sys/types.h>

#include <glib.h>

/* In the new process: it becomes deaf to what a terminal sends to our group and to whatever else would end it early, has
 * NAME, and of all files keeps KEPT, which is sorted; -1 in it stands for none. */
void vmm_helper_stand_aside(const char *name, int *kept, gsize n_kept);

/* Waits for its end, for some seconds; FALSE if it goes on, and so is left behind. */
gboolean vmm_helper_wait(pid_t pid);

#endif
