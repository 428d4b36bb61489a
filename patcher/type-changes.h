/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Types that a patch changes, and that are what they were to whoever does not use what is new: a structure in which a member
 * gets another name, or a second one, an enumeration that gets another constant. The compiler's word counts, not the text:
 * sizes, alignment, and each member's place and type are looked up in debugging information of both.
 *
 * On such a type only that code depends which mentions one of the names that differ. On any other, everything that may come
 * across it depends, which in a kernel is soon most of it.
 *
 * A type is taken to be the same in all files that include it, unless a condition that is not of the config decides that.
 */
#ifndef PATCHER_TYPE_CHANGES_H
#define PATCHER_TYPE_CHANGES_H

#include "patcher/build.h"
#include "patcher/constructs.h"
#include "patcher/dwarf.h"

typedef struct PatchTypeChanges PatchTypeChanges;

enum { PATCH_OLD_SIDE, PATCH_NEW_SIDE, PATCH_N_SIDES };

PatchTypeChanges *patch_type_changes_new(void);
void patch_type_changes_free(PatchTypeChanges *changes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchTypeChanges, patch_type_changes_free)

/* What stands in the way of those that are not what they were: of PatchFinding. */
const GPtrArray *patch_type_changes_findings(const PatchTypeChanges *changes);

/* Whether there are types among the tainted ones of CONSTRUCTS (of header FILE, as it was) that CHANGES does not know yet. */
gboolean patch_type_changes_want(const PatchTypeChanges *changes, const PatchConstructs *constructs, guint32 file);

/* Has the compiler tell of the types that are tainted in CONSTRUCTS, by what it makes of the C file FILE. Where that does not
 * work, nothing is learnt. */
void patch_type_changes_learn(PatchTypeChanges *changes, const PatchConstructs *constructs, PatchBuild *build, const char *file);

/* What is known of TYPE ("struct sock"): the hashes of its definition behind the preprocessor, and the names (of char *; a
 * reference is taken) that differ; NULL: more than names does. */
void patch_type_changes_note(PatchTypeChanges *changes, const char *type, const guint64 hashes[PATCH_N_SIDES],
                             GPtrArray *names);

/* Takes the taint from those types of CONSTRUCTS that are what they were, and taints the names that differ in them. Of what
 * comes from behind the preprocessor (EXACT), each has to be the same text that the compiler was given. */
void patch_type_changes_forgive(const PatchTypeChanges *changes, PatchConstructs *constructs, gboolean exact);

/* Whether who mentions none of NAMES (of char *; is added to) can take the one type for the other. */
gboolean patch_type_is_as_before(const PatchStruct *old_type, const PatchStruct *new_type, GPtrArray *names);

#endif
