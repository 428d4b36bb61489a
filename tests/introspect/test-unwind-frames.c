/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unwinding code that keeps frame pointers, and has no ORC data. */
#include "introspect/frame-pointers.h"
#include "tests/introspect/unwind-fixture.h"

/* Index of the word where a task's user registers begin. */
#define REGS (N_WORDS - 21)

static void
set_frames(Fixture *fixture)
{
    for (gsize i = 0; i < G_N_ELEMENTS(fixture->entries); i++)
        fixture->entries[i].type = INTRO_ORC_FRAME;
}

/* A frame at word INDEX: where the frame before it is, and where it returns to. */
static void
put_frame(Fixture *fixture, guint index, GuestVa bp, GuestVa return_va)
{
    *task_word(fixture, index) = bp;
    *task_word(fixture, index + 1) = return_va;
}

static void
unwind_frames(Fixture *fixture, IntroUnwindStart start)
{
    set_frames(fixture);
    add_area(fixture, TASK_STACK, INTRO_STACK_LAST);
    fixture->stack = intro_unwind(&ops, fixture, &regs_layout, fixture->areas, &start);
}

/* What lies between frames is not looked at, however much it looks like return addresses. */
static void
test_frames(Fixture *fixture, gconstpointer data)
{
    put_user_regs(fixture);
    *task_word(fixture, 210) = INSIDE(9);
    put_frame(fixture, 220, task_va(REGS - 4), INSIDE(2));
    *task_word(fixture, 230) = INSIDE(9);
    put_frame(fixture, REGS - 4, task_va(REGS - 2), INSIDE(4));
    put_frame(fixture, REGS - 2, task_va(REGS) + 1, INSIDE(3));
    unwind_frames(fixture, (IntroUnwindStart) { .ip = INSIDE(1), .sp = task_va(200), .bp = task_va(220) });
    assert_n_frames(fixture, 4, TRUE);
    assert_frame(fixture, 0, INSIDE(1), TRUE, TRUE);
    assert_frame(fixture, 1, INSIDE(2), TRUE, TRUE);
    assert_frame(fixture, 2, INSIDE(4), TRUE, TRUE);
    assert_frame(fixture, 3, INSIDE(3), TRUE, TRUE);
}

/* An interrupt in the middle of function 4, which may not have had its frame: its caller is among what is below. */
static void
test_interrupted(Fixture *fixture, gconstpointer data)
{
    put_user_regs(fixture);
    put_frame(fixture, 220, task_va(300) + 1, INSIDE(2));
    put_regs(fixture, 300, INSIDE(4), KERNEL_CS, task_va(340));
    *task_word(fixture, 300 + regs_layout.bp / 8) = task_va(360);
    *task_word(fixture, 340) = INSIDE(9);
    put_frame(fixture, 360, task_va(REGS - 2), INSIDE(5));
    put_frame(fixture, REGS - 2, task_va(REGS) + 1, INSIDE(3));
    unwind_frames(fixture, (IntroUnwindStart) { .ip = INSIDE(1), .sp = task_va(200), .bp = task_va(220) });
    assert_n_frames(fixture, 6, TRUE);
    assert_frame(fixture, 1, INSIDE(2), TRUE, TRUE);
    assert_frame(fixture, 2, INSIDE(4), FALSE, TRUE);
    assert_frame(fixture, 3, INSIDE(9), TRUE, FALSE);
    assert_frame(fixture, 4, INSIDE(5), TRUE, TRUE);
    assert_frame(fixture, 5, INSIDE(3), TRUE, TRUE);
}

/* The top of an interrupt stack is no end, and the way leads from there to the task's. */
static void
test_interrupt_stack(Fixture *fixture, gconstpointer data)
{
    put_user_regs(fixture);
    fixture->stacks[1][N_WORDS - 3] = task_va(300);
    fixture->stacks[1][N_WORDS - 2] = INSIDE(2);
    fixture->stacks[1][N_WORDS - 1] = task_va(280);
    put_frame(fixture, 300, task_va(REGS - 2), INSIDE(3));
    put_frame(fixture, REGS - 2, task_va(REGS) + 1, INSIDE(4));
    set_frames(fixture);
    add_area(fixture, TASK_STACK, INTRO_STACK_LAST);
    add_area(fixture, IRQ_STACK, INTRO_STACK_SAVED_SP);
    fixture->stack = intro_unwind(&ops, fixture, &regs_layout, fixture->areas, &(IntroUnwindStart) {
        .ip = INSIDE(1), .sp = IRQ_STACK + (N_WORDS - 8) * 8, .bp = IRQ_STACK + (N_WORDS - 3) * 8,
    });
    assert_n_frames(fixture, 4, TRUE);
    assert_frame(fixture, 3, INSIDE(4), TRUE, TRUE);
}

/* The registers of a new kernel thread are nobody's. */
static void
test_new_thread(Fixture *fixture, gconstpointer data)
{
    unwind_frames(fixture, (IntroUnwindStart) {
        .ip = FUNCTION(1), .sp = task_va(REGS), .bp = task_va(REGS) + 1, .signal = TRUE,
    });
    assert_n_frames(fixture, 1, TRUE);
}

static void
test_broken(Fixture *fixture, gconstpointer data)
{
    put_user_regs(fixture);
    put_frame(fixture, 220, 0x5555, INSIDE(2));
    *task_word(fixture, 300) = INSIDE(9);
    unwind_frames(fixture, (IntroUnwindStart) { .ip = INSIDE(1), .sp = task_va(200), .bp = task_va(220) });
    assert_n_frames(fixture, 3, FALSE);
    assert_frame(fixture, 1, INSIDE(2), TRUE, TRUE);
    assert_frame(fixture, 2, INSIDE(9), TRUE, FALSE);
}

static void
test_loop(Fixture *fixture, gconstpointer data)
{
    put_user_regs(fixture);
    put_frame(fixture, 220, task_va(240), INSIDE(2));
    put_frame(fixture, 240, task_va(220), INSIDE(3));
    unwind_frames(fixture, (IntroUnwindStart) { .ip = INSIDE(1), .sp = task_va(200), .bp = task_va(220) });
    assert_n_frames(fixture, 3, FALSE);
}

static void
test_prologue(Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *code;
        gsize length;
        gboolean makes_frame;
    } codes[] = {
        { "\x55\x48\x89\xe5", 4, TRUE },
        { "\x0f\x1f\x44\x00\x00\x55\x48\x89\xe5", 9, TRUE },
        { "\xf3\x0f\x1e\xfa\xe8\x01\x02\x03\x04\x55\x48\x89\xe5", 13, TRUE },
        { "\xe9\x01\x02\x03\x04\x55\x48\x89\xe5", 9, TRUE },
        { "\x0f\x1f\x44\x00\x00\x55\x48\x89\xfd", 9, FALSE },
        { "\x0f\x1f\x44\x00\x00\x41\x57\x41\x56", 9, FALSE },
        { "\xe8\x01\x02", 3, FALSE },
        { "\x55\x48\x89", 3, FALSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(codes); i++)
        g_assert_cmpint(intro_frame_pointers_prologue((const guint8 *) codes[i].code, codes[i].length), ==,
                        codes[i].makes_frame);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        { "/unwind-frames/to-user-mode", test_frames },
        { "/unwind-frames/interrupted", test_interrupted },
        { "/unwind-frames/interrupt-stack", test_interrupt_stack },
        { "/unwind-frames/new-thread", test_new_thread },
        { "/unwind-frames/broken-chain", test_broken },
        { "/unwind-frames/loop", test_loop },
        { "/unwind-frames/prologue", test_prologue },
    };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, fixture_set_up, tests[i].run, fixture_tear_down);
    return g_test_run();
}
