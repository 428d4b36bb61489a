/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the sections of a loaded module lie, as /sys/module/NAME/sections says it.
 * Source: kernel/module/sysfs.c of Linux (5.10: kernel/module.c).
 */
#ifndef INTROSPECT_MODULE_SECTIONS_H
#define INTROSPECT_MODULE_SECTIONS_H

#include "introspect/kernel.h"

typedef struct {
    char *name;
    GuestVa va;
} IntroModuleSection;

/* Of IntroModuleSection, in the kernel's order, to be unreffed; none of a module that is still being loaded, or of a kernel
 * that keeps no such list. */
GArray *intro_module_sections(const IntroKernel *kernel, const IntroModule *module, GError **error);

#endif
