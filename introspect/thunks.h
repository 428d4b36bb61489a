/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's thunks: what it jumps through (retpolines) and returns through where a mitigation wants it. Unwind data
 * knows little of them, and they leave a stack that is not as after a call. Source: arch/x86/lib/retpoline.S of Linux.
 */
#ifndef INTROSPECT_THUNKS_H
#define INTROSPECT_THUNKS_H

#include "introspect/orc.h"

#define INTRO_N_JUMP_THUNKS     4
#define INTRO_N_RETURN_THUNKS   8

/* A region that the kernel does not have is empty. */
typedef struct {
    IntroRegion jumps[INTRO_N_JUMP_THUNKS];
    IntroRegion returns[INTRO_N_RETURN_THUNKS];
} IntroThunks;

void intro_thunks_init(IntroThunks *thunks, const IntroSymbols *symbols);

/* Where the caller of a thunk for jumps is found that was stopped at IP, before it executes the instruction there. ENTRY is
 * what the kernel's own unwind data say of IP. FALSE, and ENTRY as before, if IP is in none of them. */
gboolean intro_thunks_entry(const IntroThunks *thunks, const IntroSpace *space, GuestVa ip, IntroOrcEntry *entry);

/* Whether TO, which the code at FROM is about to take from the stack, is where it jumps, and not a return address. */
gboolean intro_thunks_is_jump(const IntroThunks *thunks, const IntroSymbols *symbols, GuestVa from, GuestVa to);

#endif
