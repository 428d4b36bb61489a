/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The unwinding itself: unwind_next_frame() of arch/x86/kernel/unwind_orc.c, on copies of the stacks that may be met
 * on the way. Knows nothing of where stacks and tables come from.
 */
#ifndef INTROSPECT_UNWIND_H
#define INTROSPECT_UNWIND_H

#include "introspect/orc.h"
#include "introspect/stack.h"

/* How the stack that was left for this one can be told from this one's top. */
typedef enum {
    INTRO_STACK_LAST,           /* there is none */
    INTRO_STACK_SAVED_SP,       /* the topmost word is its stack pointer: interrupts */
    INTRO_STACK_SAVED_REGS,     /* a struct pt_regs lies at the top: exceptions */
    INTRO_STACK_FROM_USER,      /* it is in use only on the way from user mode or back: no other stack is then */
} IntroStackLink;

typedef struct {
    GuestVa start, end;         /* START inclusive, END exclusive; what lies below START is never looked at */
    IntroStackLink link;
    guint8 *bytes;              /* a copy, once it was needed */
    gboolean entered, scanned;
} IntroStackArea;

/* Offsets in struct pt_regs, bytes. */
typedef struct {
    gsize size_bytes, ip, sp, bp, cs, r10, r13, di, dx, ax;
} IntroRegsLayout;

/* The part of struct pt_regs that unwinding needs. */
typedef struct {
    gboolean is_present, is_full;       /* if not full, only IP, SP and CS are known */
    guint64 ip, sp, bp, cs, r10, r13, di, dx, ax;
} IntroRegs;

/* Where to start: REGS are those of a vCPU, or absent. */
typedef struct {
    GuestVa ip, sp, bp;
    gboolean signal;                    /* IP is where execution stood, not a return address */
    IntroRegs regs;
} IntroUnwindStart;

/* What an unwinder asks about its surroundings. */
typedef struct {
    gboolean (*read)(gpointer self, GuestVa va, void *buffer, gsize length);
    /* What is known at PC: a call's return address if IS_RETURN, so that it is the call that counts, else the next
     * instruction. FALSE if nothing is. */
    gboolean (*find)(gpointer self, GuestVa pc, gboolean is_return, IntroOrcEntry *entry);
    gboolean (*is_text)(gpointer self, GuestVa va);
    /* The return address that belongs into SLOT, where RETURN_VA was found: another one if a tracer put its own
     * there. FALSE if a tracer did and it is not known which one. */
    gboolean (*original)(gpointer self, GuestVa return_va, GuestVa slot, GuestVa *original);
    /* Whether TO, which the code at FROM takes from the stack, is no return address, so that no call lies before it. */
    gboolean (*is_jump)(gpointer self, GuestVa from, GuestVa to);
} IntroUnwindOps;

void intro_stack_area_clear(IntroStackArea *area);

/* AREAS (of IntroStackArea) are the stacks that may be met, the task's own first; each is entered at most once. */
IntroStack *intro_unwind(const IntroUnwindOps *ops, gpointer self, const IntroRegsLayout *layout, GArray *areas,
                         const IntroUnwindStart *start);

#endif
