/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The places where functions can be traced: the kernel's own records of them, of the image and of modules.
 * Source: struct ftrace_page and t_show() in kernel/trace/ftrace.c, include/linux/ftrace.h of Linux.
 */
#ifndef INTROSPECT_FTRACE_SITES_H
#define INTROSPECT_FTRACE_SITES_H

#include "introspect/kernel.h"

/* How many there are, and how many of them are a call at the moment, as in enabled_functions; none of a kernel without. */
gboolean intro_ftrace_sites_count(const IntroKernel *kernel, guint *n_sites, guint *n_calls, GError **error);

#endif
