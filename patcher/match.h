/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Run-pre matching: the old code of an update against the running kernel, byte for byte. It proves that the update was
 * made for this kernel, and yields the address of every symbol that the old code refers to, static and ambiguous ones
 * too. (The idea is Ksplice's: Arnold and Kaashoek, EuroSys 2009, section 4.3.)
 */
#ifndef PATCHER_MATCH_H
#define PATCHER_MATCH_H

#include "introspect/kernel.h"
#include "patcher/arena.h"
#include "patcher/update.h"

typedef struct PatchResolved PatchResolved;

/*
 * Matches every function of OBJECT, with the jumps of installed updates (ARENA) taken out. All arguments are borrowed
 * and have to outlive the result. Reads the guest only.
 * PATCH_ERROR_DOES_NOT_FIT says which function differs, where, and how.
 */
PatchResolved *patch_match_object(const IntroKernel *kernel, const PatchArena *arena, const PatchObject *object,
                                  GError **error);
void patch_resolved_free(PatchResolved *resolved);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchResolved, patch_resolved_free)

const PatchObject *patch_resolved_object(const PatchResolved *resolved);

/* Where OBJECT->functions[index] runs. */
GuestVa patch_resolved_function(const PatchResolved *resolved, guint32 index);

/* Whether that code is in use by nobody, since another object's function has its name in the guest's kernel: of two functions the
 * linker leaves a weak one (__weak) aside. */
gboolean patch_resolved_is_overridden(const PatchResolved *resolved, guint32 index);

/* The address of OBJECT->symbols[index], learnt in matching or, for a symbol of another object, from the guest's
 * kallsyms. PATCH_ERROR_DOES_NOT_FIT if it cannot be told. */
gboolean patch_resolved_symbol(const PatchResolved *resolved, guint32 index, GuestVa *va, GError **error);

#endif
