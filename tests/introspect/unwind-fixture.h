/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stacks and unwind data to try the unwinder on.
 */
#ifndef TESTS_INTROSPECT_UNWIND_FIXTURE_H
#define TESTS_INTROSPECT_UNWIND_FIXTURE_H

#include <string.h>

#include "introspect/unwind.h"

/* Text is from TEXT to TEXT_END; its functions are of 0x100 bytes each, and each has one ORC entry for all of it. */
#define TEXT            0xffffffff81000000ULL
#define TEXT_END        0xffffffff81010000ULL
#define TASK_STACK      0xffffc90000010000ULL
#define IRQ_STACK       0xffffc90000020000ULL
#define STACK_BYTES     0x1000
#define N_WORDS         (STACK_BYTES / 8)
/* Index of a word behind which only saved registers find room: where an end is believed to be one. */
#define TOP             (N_WORDS - 22)
#define USER_CS         0x33
#define KERNEL_CS       0x10
#define HIDDEN          (TEXT + 0xff00)

#define FUNCTION(n)     (TEXT + (n) * 0x100)
#define INSIDE(n)       (FUNCTION(n) + 0x20)

typedef struct {
    guint64 stacks[2][N_WORDS];     /* the task's, and that of interrupts */
    IntroOrcEntry entries[256];     /* UNDEFINED unless set */
    GuestVa jump_target;            /* no call lies before it */
    GArray *areas;
    IntroStack *stack;
} Fixture;

/* As struct pt_regs of x86-64. */
static const IntroRegsLayout regs_layout = {
    .size_bytes = 168, .r13 = 16, .bp = 32, .r10 = 56, .ax = 80, .dx = 96, .di = 112, .ip = 128, .cs = 136, .sp = 152,
};

static inline gboolean
read_stacks(gpointer self, GuestVa va, void *buffer, gsize length)
{
    Fixture *fixture = self;
    static const GuestVa starts[] = { TASK_STACK, IRQ_STACK };

    for (gsize i = 0; i < G_N_ELEMENTS(starts); i++)
        if (va >= starts[i] && va + length <= starts[i] + STACK_BYTES) {
            memcpy(buffer, (guint8 *) fixture->stacks[i] + (va - starts[i]), length);
            return TRUE;
        }
    return FALSE;
}

static inline gboolean
is_text(gpointer self, GuestVa va)
{
    return va >= TEXT && va < TEXT_END;
}

static inline gboolean
find_entry(gpointer self, GuestVa pc, gboolean is_return, IntroOrcEntry *entry)
{
    Fixture *fixture = self;
    GuestVa ip = is_return ? pc - 1 : pc;

    if (!is_text(self, ip))
        return FALSE;
    *entry = fixture->entries[(ip - TEXT) / 0x100];
    return TRUE;
}

static inline gboolean
find_original(gpointer self, GuestVa return_va, GuestVa slot, GuestVa *original)
{
    *original = return_va;
    return return_va != HIDDEN;
}

static inline gboolean
is_jump(gpointer self, GuestVa from, GuestVa to)
{
    Fixture *fixture = self;

    return to == fixture->jump_target;
}

static const IntroUnwindOps ops = { read_stacks, find_entry, is_text, find_original, is_jump };

static inline void
fixture_set_up(Fixture *fixture, gconstpointer data)
{
    fixture->areas = g_array_new(FALSE, FALSE, sizeof(IntroStackArea));
    g_array_set_clear_func(fixture->areas, (GDestroyNotify) intro_stack_area_clear);
}

static inline void
fixture_tear_down(Fixture *fixture, gconstpointer data)
{
    g_clear_pointer(&fixture->stack, intro_stack_free);
    g_array_unref(fixture->areas);
}

static inline void
add_area(Fixture *fixture, GuestVa start, IntroStackLink link)
{
    const IntroStackArea area = { .start = start, .end = start + STACK_BYTES, .link = link };

    g_array_append_val(fixture->areas, area);
}

static inline guint64 *
task_word(Fixture *fixture, guint index)
{
    return &fixture->stacks[0][index];
}

static inline GuestVa
task_va(guint index)
{
    return TASK_STACK + index * 8;
}

static inline void
set_call(Fixture *fixture, guint function, gint16 sp_offset)
{
    fixture->entries[function] = (IntroOrcEntry) {
        .type = INTRO_ORC_CALL, .sp_register = INTRO_ORC_REG_SP, .sp_offset = sp_offset,
    };
}

static inline void
set_regs(Fixture *fixture, guint function, IntroOrcType type, gint16 sp_offset)
{
    fixture->entries[function] = (IntroOrcEntry) {
        .type = type, .sp_register = INTRO_ORC_REG_SP, .sp_offset = sp_offset, .signal = TRUE,
    };
}

/* struct pt_regs at the word INDEX of the task's stack. */
static inline void
put_regs(Fixture *fixture, guint index, guint64 ip, guint64 cs, guint64 sp)
{
    *task_word(fixture, index + regs_layout.ip / 8) = ip;
    *task_word(fixture, index + regs_layout.cs / 8) = cs;
    *task_word(fixture, index + regs_layout.sp / 8) = sp;
}

/* Those of user mode, where they belong. */
static inline guint
put_user_regs(Fixture *fixture)
{
    guint index = N_WORDS - regs_layout.size_bytes / 8;

    put_regs(fixture, index, 0x401000, USER_CS, 0x7fff0000);
    return index;
}

/* Unwinds from a return address in function 1, with the stack pointer at word INDEX of the task's stack. */
static inline void
unwind_from(Fixture *fixture, guint index)
{
    const IntroUnwindStart start = { .ip = INSIDE(1), .sp = task_va(index) };

    add_area(fixture, TASK_STACK, INTRO_STACK_LAST);
    fixture->stack = intro_unwind(&ops, fixture, &regs_layout, fixture->areas, &start);
}

static inline void
assert_frame(const Fixture *fixture, guint index, GuestVa pc, gboolean is_return, gboolean certain)
{
    const IntroFrame *frame = &g_array_index(fixture->stack->frames, IntroFrame, index);

    g_assert_cmpuint(index, <, fixture->stack->frames->len);
    g_assert_cmphex(frame->pc, ==, pc);
    g_assert_cmpint(frame->is_return, ==, is_return);
    g_assert_cmpint(frame->certain, ==, certain);
}

static inline void
assert_n_frames(const Fixture *fixture, guint n, gboolean complete)
{
    g_assert_cmpuint(fixture->stack->frames->len, ==, n);
    g_assert_cmpint(fixture->stack->complete, ==, complete);
}

#endif
