/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the constructs of C text token by token, all but its directives.
 */
#ifndef PATCHER_CONSTRUCT_READER_H
#define PATCHER_CONSTRUCT_READER_H

#include "patcher/constructs.h"
#include "patcher/ctokens.h"

#define PATCH_MAX_CONDITIONS 64     /* #if in #if */

typedef struct {
    guint64 hash;
    guint braces, parens;       /* open where the #if stands: #else begins there again */
    GArray *ids;
    gboolean is_settled;        /* by the config alone */
} PatchCondition;

typedef struct {
    PatchConstructs *all;
    PatchTokens tokens;
    guint32 file;
    PatchCondition conditions[PATCH_MAX_CONDITIONS];
    guint n_conditions;
    guint braces, parens;       /* open */
    /* Of the construct being read: */
    guint64 hash;
    GArray *mentions, *members, *declared, *defines;    /* of guint32 */
    gint64 last;                /* the last name outside of all brackets that is no keyword; -1: none */
    gint64 tag;                 /* the one behind struct, union or enum */
    gint64 type;                /* the one of them whose body is here */
    guint n_names;              /* outside of all brackets, but for storage classes */
    gboolean is_unsettled;      /* a condition within it is */
    gboolean is_typedef, is_extern, is_inline, is_enum, is_union, is_function, is_invocation, is_assembly, is_macro, has_body;
    gboolean is_followed;       /* it is an invocation, and what it stands before has a name */
    gboolean has_variable, wants_tag, wants_enumerator, after_star, has_begun;
    gint64 argument;            /* of an invocation: the only name in it so far; -1: there is none, or more */
    gboolean begins_argument;
    gboolean after_open_star;   /* the last star stood right behind a bracket */
    gboolean has_pointer_name;  /* the NAME of (*NAME) was met: other stars in brackets are those of parameters */
    PatchToken before, earlier; /* the token before this one, and the one before that */
} PatchConstructReader;

guint64 patch_construct_mix(guint64 hash, const char *bytes, gsize length);

/* A construct begins; what was read of one is forgotten. */
void patch_construct_begin(PatchConstructReader *reader);

/* What was read is one construct, which EMITS code or data or not. Another one begins. */
void patch_construct_finish(PatchConstructReader *reader, gboolean emits);

/* The same at a semicolon, or at the end of the text. */
void patch_construct_end_statement(PatchConstructReader *reader);

/* The construct defines NAME (its number; -1: nothing). */
void patch_construct_define(PatchConstructReader *reader, gint64 name);

void patch_construct_read_name(PatchConstructReader *reader, const PatchToken *token);
void patch_construct_read_other(PatchConstructReader *reader, const PatchToken *token);

#endif
