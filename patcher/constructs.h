/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What C text is made of at its outermost level (macros, types, declarations, functions), which names each of these
 * constructs defines, and which it mentions. Enough to tell what a change of one may reach; no parser of C: where the
 * text leaves a doubt, a construct defines more names rather than fewer.
 */
#ifndef PATCHER_CONSTRUCTS_H
#define PATCHER_CONSTRUCTS_H

#include <glib.h>

typedef struct {
    guint64 hash;               /* of its tokens, and of the #if that it stands in */
    guint32 file;               /* as given to patch_constructs_add */
    guint32 mentions, n_mentions;   /* into PatchConstructs.ids */
    guint32 members, n_members;     /* names that it mentions as those of members: a macro or a member can be meant */
    guint32 declared, n_declared;   /* names that it gives to members: only a macro can be meant */
    guint32 defines, n_defines;
    gint64 type;                /* the structure, union or enumeration that it is the definition of and does nothing else:
                                   its name's number; -1: none */
    gboolean is_enum, is_union;     /* that is one */
    gboolean is_settled;        /* no condition but the config's says whether and how it is there */
    gboolean is_macro;
    gboolean emits;             /* code or data, and not only where it is used: no macro, type, prototype, inline
                                   function */
    gboolean is_invocation;     /* of a macro, as DEFINE_X(a, b): may define names that its arguments are part of */
    gboolean is_tainted;
    gboolean is_known;          /* a type of which it is known which members changed: they are tainted by themselves */
} PatchConstruct;

typedef struct {
    GHashTable *by_name;        /* char * -> number */
    GPtrArray *names;           /* char *, owned by chunk */
    GStringChunk *chunk;
    GArray *ids;                /* of guint32: numbers of names */
    GArray *constructs;         /* of PatchConstruct */
    GArray *members;            /* of guint32: names of members and constants that are tainted by themselves */
    GArray *pastes;             /* of PatchPaste: names that macros make */
} PatchConstructs;

PatchConstructs *patch_constructs_new(void);
void patch_constructs_free(PatchConstructs *constructs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchConstructs, patch_constructs_free)

/* Adds what is in TEXT (LENGTH bytes, hostile or not C at all: then something is added). */
void patch_constructs_add(PatchConstructs *constructs, guint32 file, const char *text, gsize length);

/* Taints what is in one of the files OLD and NEW and not in the other. Returns how many. */
guint patch_constructs_taint_changed(PatchConstructs *constructs, guint32 old_file, guint32 new_file);

/* Taints the member or constant NAME, whatever type it is of: who uses it, not who has a member of that name, too. */
void patch_constructs_taint_member(PatchConstructs *constructs, const char *name);

/* Taints what mentions a name that a tainted construct defines, until there is no more. Returns the set of these names:
 * a table of char * (owned by CONSTRUCTS). STEMS (may be NULL) receives arguments of tainted invocations: names that
 * contain one of them may be made of it. */
GHashTable *patch_constructs_spread(PatchConstructs *constructs, GPtrArray *stems);

#endif
