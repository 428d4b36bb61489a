/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which modules a module depends on, and so keeps loaded.
 * Source: struct module_use in include/linux/module.h, add_module_usage() in kernel/module/main.c of Linux.
 */
#ifndef INTROSPECT_MODULE_USES_H
#define INTROSPECT_MODULE_USES_H

#include "introspect/kernel.h"

/* Whether USED cannot be unloaded as long as USER is there. A kernel that unloads no modules keeps all of them. */
gboolean intro_module_uses(const IntroKernel *kernel, const IntroModule *user, const IntroModule *used, gboolean *uses,
                           GError **error);

#endif
