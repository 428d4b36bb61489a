/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names that macros make of what stands in them and of their arguments, as ops_##op. The text that has such a name made does
 * not mention it: it mentions the macro and the argument, or another macro that does.
 *
 * Names that are made of arguments alone, as by __PASTE(), or of more than three, are not found, nor those that are made in more
 * than two steps.
 */
#ifndef PATCHER_PASTES_H
#define PATCHER_PASTES_H

#include "patcher/constructs.h"
#include "patcher/ctokens.h"

typedef struct {
    guint32 owner;              /* the macro: its name's number */
    guint32 parts, n_parts;     /* into PatchConstructs.ids: what the name is made of, in its order; an argument: PATCH_ARGUMENT */
} PatchPaste;

#define PATCH_ARGUMENT G_MAXUINT32

/* Appends the parameters (of guint32) of a macro: TOKENS stand behind its name, NAME. */
void patch_pastes_read_parameters(PatchConstructs *constructs, PatchTokens tokens, const PatchToken *name, GArray *parameters);

/* Appends to PASTES (of PatchPaste) the names that the macro OWNER makes: TOKENS stand behind its name. */
void patch_pastes_read(PatchConstructs *constructs, PatchTokens tokens, guint32 owner, const GArray *parameters, GArray *pastes);

/* Who makes any of some names. */
typedef struct PatchMakers PatchMakers;

/* NAMES: of char *. Both have to stay as they are. */
PatchMakers *patch_makers_new(PatchConstructs *constructs, GHashTable *names);
void patch_makers_free(PatchMakers *makers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchMakers, patch_makers_free)

/* Whether CONSTRUCT does. */
gboolean patch_makers_construct(PatchMakers *makers, const PatchConstruct *construct);

/* Whether TEXT (LENGTH bytes of C, hostile) does, or mentions one of the names, or one that contains any of STEMS (of char *). */
gboolean patch_makers_text(PatchMakers *makers, const GPtrArray *stems, const char *text, gsize length);

#endif
