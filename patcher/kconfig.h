/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's .config, as text.
 */
#ifndef PATCHER_KCONFIG_H
#define PATCHER_KCONFIG_H

#include <glib.h>

/* The value of OPTION (with its CONFIG_), without quotes; NULL if it is not set. */
char *patch_kconfig_get(const char *config, const char *option);

/* CONFIG with what the kernel's build would otherwise turn on by itself on a machine that has more tools installed than
 * the one the kernel was built on. */
char *patch_kconfig_prepare(const char *config);

/* Whether every option of GIVEN is still there in USED, which the kernel's build made of it; all but those that name
 * tools and keys. PATCH_ERROR_FAILED: names the option and what is probably not installed. */
gboolean patch_kconfig_check(const char *given, const char *used, GError **error);

#endif
