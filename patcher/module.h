/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an update changes: vmlinux, or a module that may be loaded, not loaded, or on its way.
 */
#ifndef PATCHER_MODULE_H
#define PATCHER_MODULE_H

#include "introspect/kernel.h"
#include "patcher/plan.h"

typedef enum {
    PATCH_MODULE_LOADED,        /* vmlinux always is */
    PATCH_MODULE_NOT_LOADED,
    PATCH_MODULE_MOVING,        /* being loaded or unloaded at the moment */
} PatchModuleState;

/* MODULE as in PatchObject. FOUND (may be NULL) is the module, or NULL if there is none. */
PatchModuleState patch_module_state(const IntroKernel *kernel, const char *module, const IntroModule **found);

/* Makes it a condition of PLAN that the module is still there and live; nothing for vmlinux. PATCH_ERROR_NOT_NOW if it
 * is not so already. */
gboolean patch_module_require(PatchPlan *plan, const IntroKernel *kernel, const char *module, GError **error);

#endif
