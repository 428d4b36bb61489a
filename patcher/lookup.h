/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a symbol that another object defines is in the guest, as its module loader would resolve it.
 */
#ifndef PATCHER_LOOKUP_H
#define PATCHER_LOOKUP_H

#include "introspect/kernel.h"
#include "patcher/update.h"

/*
 * The address of NAME for code of OBJECT: defined in OBJECT's module or in vmlinux, or exported by another module that
 * OBJECT's module depends on. PATCH_ERROR_DOES_NOT_FIT if there is none, or no telling which of several it is.
 */
gboolean patch_lookup(const IntroKernel *kernel, const PatchObject *object, const char *name, GuestVa *va,
                      GError **error);

/* The address of NAME, which OBJECT itself defines for nobody else, if its module or vmlinux has only one of that name. */
gboolean patch_lookup_own(const IntroKernel *kernel, const PatchObject *object, const char *name, GuestVa *va);

/* Whether the guest's symbols allow that NAME is at VA for code of OBJECT. Some that the linker makes are in no table, so
 * what is not known at all is allowed. */
gboolean patch_lookup_agrees(const IntroKernel *kernel, const PatchObject *object, const char *name, GuestVa va);

#endif
