/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which functions to replace so that changed ones take effect. A function that cannot be redirected where it begins is
 * carried: all who call it are replaced instead, and their new code calls its new code, or has it within.
 */
#ifndef PATCHER_CARRY_H
#define PATCHER_CARRY_H

#include "patcher/obstacle.h"
#include "patcher/pairing.h"

typedef struct {
    const PatchPairing *pairing;    /* of the old object, with a section for each function, which says who calls whom, and
                                       the new one */
    PatchEntries running;       /* the object that runs, for where functions begin; .elf NULL: each can be redirected */
    const PatchElf *code;       /* the object that new code is taken from */
    gboolean is_module;         /* whose exit code stays */
    gboolean clones;            /* carry functions that the compiler specialised (foo.isra.0): there is no telling that
                                   those of the new object take the same arguments */
    GHashTable *replaced;       /* char * -> char *: functions to replace, by their names in the new object; the value is
                                   the name of the function that it calls and that is carried, or "" if it changed itself */
    GPtrArray *findings;        /* of PatchFinding: functions for which there is no way */
} PatchCarry;

/* Whether the function NAME, one of those replaced, is not redirected itself. */
gboolean patch_carry_is_carried(const PatchCarry *carry, const char *name);

/* Adds callers until every carried function has all of its callers replaced. */
void patch_carry_expand(PatchCarry *carry);

#endif
