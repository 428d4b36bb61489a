/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who mentions a name, or has macros make it (pastes.h): who mentions all that this takes, or macros that bring it along.
 */
#ifndef PATCHER_MAKERS_H
#define PATCHER_MAKERS_H

#include "patcher/constructs.h"

typedef struct PatchMakers PatchMakers;

/* NAMES: of char *. Neither may change meanwhile, but CONSTRUCTS gets to know more names. */
PatchMakers *patch_makers_new(PatchConstructs *constructs, GHashTable *names);
void patch_makers_free(PatchMakers *makers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchMakers, patch_makers_free)

/* Whether CONSTRUCT has any of the names made. */
gboolean patch_makers_construct(PatchMakers *makers, const PatchConstruct *construct);

/* Whether TEXT (LENGTH bytes of C, hostile) does, or mentions one of them, or one that contains any of STEMS (of char *). */
gboolean patch_makers_text(PatchMakers *makers, const GPtrArray *stems, const char *text, gsize length);

#endif
