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

#define PATCH_DEFAULT_TIMEOUT_S 10.0
#define PATCH_TIMEOUT_OPTION(variable) \
    { "timeout", 't', 0, G_OPTION_ARG_DOUBLE, (variable), "how long to try for a safe moment (10)", "SECONDS" }

/* What would be done. */
void patch_report_plan(const PatchCli *cli, const PatchPlan *plan, const char *guest);

/* What was done. */
void patch_report_commit(const PatchCli *cli, const PatchPlan *plan, const char *guest, const PatchCommitReport *report);

#endif
