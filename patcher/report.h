/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What check, apply, undo and recover have to say: a line or an object of JSON on standard output, and with -v the
 * details on standard error.
 */
#ifndef PATCHER_REPORT_H
#define PATCHER_REPORT_H

#include "patcher/command.h"
#include "patcher/commit.h"
#include "patcher/plan.h"
#include "patcher/stages.h"
#include "patcher/watch.h"

#define PATCH_DEFAULT_TIMEOUT_S 10.0
#define PATCH_TIMEOUT_OPTION(variable) \
    { "timeout", 't', 0, G_OPTION_ARG_DOUBLE, (variable), "how long to try for a safe moment (10)", "SECONDS" }

#define PATCH_NO_LOG_OPTION(variable) \
    { "no-log", 0, 0, G_OPTION_ARG_NONE, (variable), "put no line about it into the guest's kernel log", NULL }

/* What would be done. */
void patch_report_plan(const PatchCli *cli, const PatchPlan *plan, const char *guest);

typedef struct {
    PatchCommitReport commit;
    GPtrArray *hooks;           /* of PatchHookResult */
    const PatchWatchReport *watched;    /* what the guest was like afterwards; NULL if nobody watched. Borrowed */
} PatchReport;

static inline void
patch_report_clear(PatchReport *report)
{
    g_clear_pointer(&report->hooks, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PatchReport, patch_report_clear)

/* What was done. */
void patch_report_commit(const PatchCli *cli, const PatchPlan *plan, const char *guest, const PatchReport *report);

/* What a guest was like that is not ill. */
void patch_report_watch(const PatchCli *cli, const char *guest, const PatchWatchReport *watched);

/* Tells the guest's own log; REPORT is added to. If that does not work, a line says so; it is no error. */
void patch_report_in_guest(const PatchCli *cli, const PatchGuest *guest, const PatchPlan *plan, PatchReport *report);

#endif
