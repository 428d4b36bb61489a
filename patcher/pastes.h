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
#define PATCH_MAX_ARGUMENTS 3

/* Appends the parameters (of guint32) of a macro: TOKENS stand behind its name, NAME. */
void patch_pastes_read_parameters(PatchConstructs *constructs, PatchTokens tokens, const PatchToken *name, GArray *parameters);

/* Appends to PASTES (of PatchPaste) the names that the macro OWNER makes: TOKENS stand behind its name. */
void patch_pastes_read(PatchConstructs *constructs, PatchTokens tokens, guint32 owner, const GArray *parameters, GArray *pastes);

typedef struct {
    const char *start;          /* in the name; not terminated */
    gsize length;
} PatchArgument;

typedef struct {
    const PatchPaste *paste;
    PatchArgument arguments[PATCH_MAX_ARGUMENTS];
    guint n_arguments;
} PatchApart;

/* Called for each way in which arguments make a name. */
typedef void (*PatchApartFunc)(const PatchApart *apart, gpointer data);

void patch_pastes_take_apart(const PatchConstructs *constructs, const PatchPaste *paste, const char *name, PatchApartFunc found,
                             gpointer data);

/* The pastes of CONSTRUCTS, to which none may be added meanwhile. */
typedef struct PatchPasteIndex PatchPasteIndex;

PatchPasteIndex *patch_paste_index_new(const PatchConstructs *constructs);
void patch_paste_index_free(PatchPasteIndex *index);
void patch_paste_index_take_apart(const PatchPasteIndex *index, const char *name, PatchApartFunc found, gpointer data);

#endif
