/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/unwind.h"

#include "introspect/cursor.h"
#include "introspect/scan.h"
#include "introspect/unwinder.h"

#define MAX_FRAMES          4096
#define MAX_TOP_PADDING     64          /* bytes between a user's registers and the end of the stack; 16 with FRED */
#define WORD                sizeof(guint64)
#define KERNEL_CS           0x10        /* __KERNEL_CS, arch/x86/include/asm/segment.h */

/* Where the unwinding stands; the members are those of the kernel's struct unwind_state. */
typedef struct {
    GuestVa ip, sp, bp;
    GuestVa regs_end;               /* where REGS end in memory; 0 if they are a vCPU's */
    gboolean signal;
    gboolean is_hidden;             /* IP is a tracer's, and the address that it stands for is not known */
    IntroRegs regs, previous_regs;
    IntroStackArea *area;           /* the stack in use; NULL before the first access */
} State;

/* LENGTH bytes at VA, on the stack in use or on one that has not been in use yet. */
static const guint8 *
bytes_at(const IntroUnwinder *unwinder, State *state, GuestVa va, gsize length)
{
    if (state->area == NULL || !intro_stack_area_holds(state->area, va, length)) {
        IntroStackArea *area = intro_unwinder_area(unwinder, va, length);

        if (area == NULL || area->entered)
            return NULL;
        area->entered = TRUE;
        state->area = area;
    }
    return intro_unwinder_load(unwinder, state->area) ? state->area->bytes + (va - state->area->start) : NULL;
}

static gboolean
read_word(const IntroUnwinder *unwinder, State *state, GuestVa va, guint64 *value)
{
    const guint8 *bytes = bytes_at(unwinder, state, va, WORD);

    if (bytes == NULL)
        return FALSE;
    *value = intro_word(bytes);
    return TRUE;
}

static gboolean
read_regs(const IntroUnwinder *unwinder, State *state, GuestVa va, IntroRegs *regs)
{
    const IntroRegsLayout *layout = unwinder->layout;
    const guint8 *bytes = bytes_at(unwinder, state, va, layout->size_bytes);

    if (bytes == NULL)
        return FALSE;
    *regs = (IntroRegs) {
        .is_present = TRUE, .is_full = TRUE,
        .ip = intro_word(bytes + layout->ip), .cs = intro_word(bytes + layout->cs),
        .sp = intro_word(bytes + layout->sp), .bp = intro_word(bytes + layout->bp),
        .r10 = intro_word(bytes + layout->r10), .r13 = intro_word(bytes + layout->r13),
        .di = intro_word(bytes + layout->di), .dx = intro_word(bytes + layout->dx),
        .ax = intro_word(bytes + layout->ax),
    };
    return TRUE;
}

/* What iret takes: the end of struct pt_regs, from IP on. */
static gboolean
read_iret_frame(const IntroUnwinder *unwinder, State *state, GuestVa va, IntroRegs *regs)
{
    const IntroRegsLayout *layout = unwinder->layout;
    const guint8 *bytes = bytes_at(unwinder, state, va, layout->size_bytes - layout->ip);

    if (bytes == NULL)
        return FALSE;
    *regs = (IntroRegs) {
        .is_present = TRUE, .ip = intro_word(bytes), .cs = intro_word(bytes + (layout->cs - layout->ip)),
        .sp = intro_word(bytes + (layout->sp - layout->ip)),
    };
    return TRUE;
}

/* The registers at the point that the frame's own stand for: entry code saves them in two steps, and an NMI may come
 * between the two. */
static const IntroRegs *
full_regs(const State *state)
{
    if (state->regs.is_present && state->regs.is_full)
        return &state->regs;
    return state->regs.is_present && state->previous_regs.is_present ? &state->previous_regs : NULL;
}

/* What ENTRY's stack pointer register holds, with the offset added: the caller's stack pointer, or where its
 * registers lie. */
static gboolean
find_sp(const IntroUnwinder *unwinder, State *state, const IntroOrcEntry *entry, guint64 *sp)
{
    const IntroRegs *regs = full_regs(state);

    switch (entry->sp_register) {
    case INTRO_ORC_REG_SP:
        *sp = state->sp + entry->sp_offset;
        return TRUE;
    case INTRO_ORC_REG_BP:
        *sp = state->bp + entry->sp_offset;
        return TRUE;
    case INTRO_ORC_REG_SP_INDIRECT:
        if (!read_word(unwinder, state, state->sp, sp))
            return FALSE;
        *sp += entry->sp_offset;
        return TRUE;
    case INTRO_ORC_REG_BP_INDIRECT:
        return read_word(unwinder, state, state->bp + entry->sp_offset, sp);
    case INTRO_ORC_REG_R10:
        *sp = regs != NULL ? regs->r10 : 0;
        return regs != NULL;
    case INTRO_ORC_REG_R13:
        *sp = regs != NULL ? regs->r13 : 0;
        return regs != NULL;
    case INTRO_ORC_REG_DI:
        *sp = regs != NULL ? regs->di : 0;
        return regs != NULL;
    case INTRO_ORC_REG_DX:
        *sp = regs != NULL ? regs->dx : 0;
        return regs != NULL;
    case INTRO_ORC_REG_AX:
        *sp = regs != NULL ? regs->ax : 0;
        return regs != NULL;
    case INTRO_ORC_REG_UNDEFINED:
    case INTRO_ORC_REG_PREV_SP:
    case INTRO_ORC_REG_UNKNOWN:
    default:
        return FALSE;
    }
}

static void
recover_return(const IntroUnwinder *unwinder, State *state, GuestVa slot)
{
    state->is_hidden = !unwinder->ops->original(unwinder->self, state->ip, slot, &state->ip);
}

static gboolean
find_caller(const IntroUnwinder *unwinder, State *state, const IntroOrcEntry *entry, guint64 sp)
{
    GuestVa from = state->ip;
    IntroRegs regs;

    switch (entry->type) {
    case INTRO_ORC_CALL:
        if (!read_word(unwinder, state, sp - WORD, &state->ip))
            return FALSE;
        recover_return(unwinder, state, sp - WORD);
        state->signal |= unwinder->ops->is_jump(unwinder->self, from, state->ip);
        state->sp = sp;
        state->regs = state->previous_regs = (IntroRegs) { 0 };
        return TRUE;
    case INTRO_ORC_REGS:
        if (!read_regs(unwinder, state, sp, &regs))
            return FALSE;
        state->regs_end = sp + unwinder->layout->size_bytes;
        state->previous_regs = (IntroRegs) { 0 };
        break;
    case INTRO_ORC_REGS_PARTIAL:
        if (!read_iret_frame(unwinder, state, sp, &regs))
            return FALSE;
        state->regs_end = sp + unwinder->layout->size_bytes - unwinder->layout->ip;
        if (state->regs.is_full)
            state->previous_regs = state->regs;
        break;
    case INTRO_ORC_UNDEFINED:
    case INTRO_ORC_END_OF_STACK:
    case INTRO_ORC_FRAME:
    default:
        return FALSE;
    }
    state->regs = regs;
    state->ip = regs.ip;
    state->sp = regs.sp;
    /* An interrupt at the first instruction of a tracer's trampoline: its ret has just popped that slot. */
    recover_return(unwinder, state, regs.sp - WORD);
    return TRUE;
}

static gboolean
find_bp(const IntroUnwinder *unwinder, State *state, const IntroOrcEntry *entry, guint64 sp)
{
    const IntroRegs *regs;

    switch (entry->bp_register) {
    case INTRO_ORC_REG_UNDEFINED:
        regs = full_regs(state);
        if (regs != NULL)
            state->bp = regs->bp;
        return TRUE;
    case INTRO_ORC_REG_PREV_SP:
        return read_word(unwinder, state, sp + entry->bp_offset, &state->bp);
    case INTRO_ORC_REG_BP:
        return read_word(unwinder, state, state->bp + entry->bp_offset, &state->bp);
    case INTRO_ORC_REG_AX:
    case INTRO_ORC_REG_DX:
    case INTRO_ORC_REG_DI:
    case INTRO_ORC_REG_SP:
    case INTRO_ORC_REG_R10:
    case INTRO_ORC_REG_R13:
    case INTRO_ORC_REG_BP_INDIRECT:
    case INTRO_ORC_REG_SP_INDIRECT:
    case INTRO_ORC_REG_UNKNOWN:
    default:
        return FALSE;
    }
}

static gboolean
is_kernel_half(GuestVa va)
{
    return va >> 63;
}

static gboolean
is_user_mode(const State *state)
{
    return state->regs.is_present && (state->regs.cs & 3) == 3;
}

/* User mode's registers are the first thing on any stack. */
static gboolean
is_first_on_stack(const State *state)
{
    return state->area != NULL && state->regs_end <= state->area->end
           && state->area->end - state->regs_end <= MAX_TOP_PADDING;
}

/* Where the saved registers cannot be such: ORC is not right for an instruction or two of exception entry, and what is taken for
 * them then is some registers' contents. */
static gboolean
are_senseless(const IntroUnwinder *unwinder, const State *state)
{
    if (!state->regs.is_present)
        return FALSE;
    if (is_user_mode(state))
        return !is_first_on_stack(state);
    return (state->regs.cs & 0xffff) != KERNEL_CS
           || (is_kernel_half(state->ip) && !unwinder->ops->is_text(unwinder->self, state->ip));
}

/* Moves STATE to the caller's frame; on failure it is left as it was. */
static gboolean
step(const IntroUnwinder *unwinder, State *state, const IntroOrcEntry *entry)
{
    State next = *state;
    guint64 sp;

    next.signal = entry->signal;
    if (!find_sp(unwinder, &next, entry, &sp) || !find_caller(unwinder, &next, entry, sp)
        || !find_bp(unwinder, &next, entry, sp))
        return FALSE;
    if (are_senseless(unwinder, &next))
        return FALSE;
    if (next.area == state->area && next.area != NULL && intro_stack_area_holds(next.area, next.sp, WORD)
        && next.sp <= state->sp)
        return FALSE;
    *state = next;
    return TRUE;
}

static gboolean
find_entry(const IntroUnwinder *unwinder, const State *state, IntroOrcEntry *entry)
{
    /* A call through a NULL pointer has left just its return address. */
    if (state->signal && state->ip == 0) {
        *entry = (IntroOrcEntry) {
            .sp_register = INTRO_ORC_REG_SP, .sp_offset = WORD, .type = INTRO_ORC_CALL,
        };
        return TRUE;
    }
    return unwinder->ops->find(unwinder->self, state->ip, !state->signal, entry);
}

/* What saved its registers at the top of the stack AREA came from user mode, so that nothing was left for it. */
static gboolean
is_from_user_mode(const IntroUnwinder *unwinder, IntroStackArea *area)
{
    gsize length = area->end - area->start, regs_bytes = unwinder->layout->size_bytes;

    return length >= regs_bytes && intro_unwinder_load(unwinder, area)
           && (intro_word(area->bytes + length - regs_bytes + unwinder->layout->cs) & 3) == 3;
}

/*
 * ORC marks the end of stacks, and also code of which it knows nothing. It is an end only where nothing but saved registers
 * can follow: at the top of a stack that was not left another one for, or while entry code is still on user mode's.
 */
static gboolean
is_end(const IntroUnwinder *unwinder, const State *state)
{
    IntroStackArea *area = state->area;

    if (!is_kernel_half(state->sp))
        return TRUE;
    if (area == NULL || state->sp > area->end
        || area->end - state->sp > unwinder->layout->size_bytes + MAX_TOP_PADDING)
        return FALSE;
    switch (area->link) {
    case INTRO_STACK_SAVED_SP:
        return FALSE;
    case INTRO_STACK_SAVED_REGS:
        return is_from_user_mode(unwinder, area);
    case INTRO_STACK_LAST:
    case INTRO_STACK_FROM_USER:
    default:
        return TRUE;
    }
}

/*
 * What ORC would say of a function that keeps a frame pointer. Where the caller was interrupted, entry code has left the
 * address of its registers for one, with the lowest bit set (ENCODE_FRAME_POINTER in arch/x86/entry/calling.h).
 */
static IntroOrcEntry
entry_of_frame(const State *state)
{
    if ((state->bp & 1) != 0)
        return (IntroOrcEntry) {
            .type = INTRO_ORC_REGS, .sp_register = INTRO_ORC_REG_BP, .sp_offset = -1, .signal = TRUE,
        };
    return (IntroOrcEntry) {
        .type = INTRO_ORC_CALL, .sp_register = INTRO_ORC_REG_BP, .sp_offset = 2 * WORD,
        .bp_register = INTRO_ORC_REG_PREV_SP, .bp_offset = -2 * (gint16) WORD,
    };
}

/* A function that was interrupted may not have made its frame yet, or have left it: its caller's address lies then
 * between the stack pointer and the frame, which is another function's. */
static void
scan_to_frame(const IntroUnwinder *unwinder, const State *state)
{
    IntroStackArea *area = intro_unwinder_area(unwinder, state->sp, WORD);

    if (area != NULL && state->bp > state->sp && intro_stack_area_holds(area, state->bp, WORD) && intro_unwinder_load(unwinder, area))
        intro_scan_words(unwinder, area, state->sp, state->bp);
}

/* The end of a task's stack, told by where it is, since frame pointers do not mark it: entry code has called the last
 * function with nothing but saved registers on the stack. */
static gboolean
is_end_of_task(const IntroUnwinder *unwinder, const State *state)
{
    return state->area != NULL && state->area->link == INTRO_STACK_LAST && state->sp <= state->area->end
           && state->area->end - state->sp <= unwinder->layout->size_bytes;
}

/* TRUE if the end of the stack was reached. */
static gboolean
unwind(const IntroUnwinder *unwinder, State *state)
{
    for (guint i = 0; i < MAX_FRAMES; i++) {
        IntroOrcEntry entry;

        if (is_user_mode(state))
            return TRUE;
        if (is_kernel_half(state->ip))
            intro_unwinder_add_frame(unwinder, state->ip, !state->signal, TRUE);
        if (state->is_hidden || !find_entry(unwinder, state, &entry))
            return FALSE;
        if (entry.type == INTRO_ORC_END_OF_STACK)
            return is_end(unwinder, state);
        if (entry.type == INTRO_ORC_FRAME) {
            if (is_end_of_task(unwinder, state))
                return TRUE;
            if (state->signal)
                scan_to_frame(unwinder, state);
            entry = entry_of_frame(state);
        }
        if (!step(unwinder, state, &entry))
            return FALSE;
    }
    return FALSE;
}

IntroStack *
intro_unwind(const IntroUnwindOps *ops, gpointer self, const IntroRegsLayout *layout, GArray *areas,
             const IntroUnwindStart *start)
{
    IntroStack *stack = g_new0(IntroStack, 1);
    const IntroUnwinder unwinder = {
        ops, self, layout, areas, stack->frames = g_array_new(FALSE, FALSE, sizeof(IntroFrame)),
    };
    State state = {
        .ip = start->ip, .sp = start->sp, .bp = start->bp, .regs = start->regs,
        .signal = start->signal,
    };

    state.area = intro_unwinder_area(&unwinder, state.sp, WORD);
    if (state.area != NULL)
        state.area->entered = TRUE;
    stack->complete = unwind(&unwinder, &state);
    if (!stack->complete)
        intro_scan_from(&unwinder, state.sp);
    return stack;
}
