/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/introspect/unwind-fixture.h"

static void
test_to_user_mode(Fixture *fixture, gconstpointer data)
{
    guint regs = put_user_regs(fixture);

    set_call(fixture, 1, 16);
    set_call(fixture, 2, 24);
    set_regs(fixture, 3, INTRO_ORC_REGS, 8);
    *task_word(fixture, regs - 6) = INSIDE(9);
    *task_word(fixture, regs - 5) = INSIDE(2);
    *task_word(fixture, regs - 2) = INSIDE(3);
    unwind_from(fixture, regs - 6);
    assert_n_frames(fixture, 3, TRUE);
    assert_frame(fixture, 0, INSIDE(1), TRUE, TRUE);
    assert_frame(fixture, 1, INSIDE(2), TRUE, TRUE);
    assert_frame(fixture, 2, INSIDE(3), TRUE, TRUE);
}

static void
test_to_kernel_thread(Fixture *fixture, gconstpointer data)
{
    set_call(fixture, 1, 8);
    fixture->entries[2].type = INTRO_ORC_END_OF_STACK;
    *task_word(fixture, TOP) = INSIDE(2);
    *task_word(fixture, TOP + 1) = INSIDE(9);
    unwind_from(fixture, TOP);
    assert_n_frames(fixture, 2, TRUE);
}

/* ORC calls code of which it knows nothing an end, too: a vCPU may stand in a retpoline thunk. */
static void
test_no_end(Fixture *fixture, gconstpointer data)
{
    fixture->entries[1].type = INTRO_ORC_END_OF_STACK;
    *task_word(fixture, 100) = INSIDE(2);
    unwind_from(fixture, 100);
    assert_n_frames(fixture, 2, FALSE);
    assert_frame(fixture, 1, INSIDE(2), TRUE, FALSE);
}

/* A call at the end of a function returns to the next one, which it is not from. */
static void
test_call_before_end(Fixture *fixture, gconstpointer data)
{
    set_call(fixture, 1, 8);
    fixture->entries[2].type = INTRO_ORC_END_OF_STACK;
    *task_word(fixture, TOP) = FUNCTION(3);
    unwind_from(fixture, TOP);
    assert_n_frames(fixture, 2, TRUE);
    assert_frame(fixture, 1, FUNCTION(3), TRUE, TRUE);
}

/* Where a new task begins looks the same, but is of that function. */
static void
test_new_task(Fixture *fixture, gconstpointer data)
{
    const IntroUnwindStart start = { .ip = INSIDE(1), .sp = task_va(TOP), .signal = TRUE };

    fixture->jump_target = FUNCTION(3);
    set_call(fixture, 1, 8);
    fixture->entries[3].type = INTRO_ORC_END_OF_STACK;
    *task_word(fixture, TOP) = FUNCTION(3);
    add_area(fixture, TASK_STACK, INTRO_STACK_LAST);
    fixture->stack = intro_unwind(&ops, fixture, &regs_layout, fixture->areas, &start);
    assert_n_frames(fixture, 2, TRUE);
    assert_frame(fixture, 1, FUNCTION(3), FALSE, TRUE);
}

static void
test_frame_pointer(Fixture *fixture, gconstpointer data)
{
    const IntroUnwindStart start = { .ip = INSIDE(1), .sp = task_va(TOP - 22), .bp = task_va(TOP - 12) };
    const IntroOrcEntry by_bp = {
        .type = INTRO_ORC_CALL, .sp_register = INTRO_ORC_REG_BP, .sp_offset = 16,
        .bp_register = INTRO_ORC_REG_PREV_SP, .bp_offset = -16,
    };

    fixture->entries[1] = fixture->entries[2] = by_bp;
    fixture->entries[3].type = INTRO_ORC_END_OF_STACK;
    *task_word(fixture, TOP - 12) = task_va(TOP - 2);
    *task_word(fixture, TOP - 11) = INSIDE(2);
    *task_word(fixture, TOP - 1) = INSIDE(3);
    add_area(fixture, TASK_STACK, INTRO_STACK_LAST);
    fixture->stack = intro_unwind(&ops, fixture, &regs_layout, fixture->areas, &start);
    assert_n_frames(fixture, 3, TRUE);
    assert_frame(fixture, 2, INSIDE(3), TRUE, TRUE);
}

/* Where the entry says nothing, what is above the stack pointer counts, and what is below does not. */
static void
test_scan(Fixture *fixture, gconstpointer data)
{
    *task_word(fixture, 99) = INSIDE(8);
    *task_word(fixture, 100) = INSIDE(5);
    *task_word(fixture, 101) = 0xffff888000001000;
    *task_word(fixture, N_WORDS - 1) = INSIDE(6);
    unwind_from(fixture, 100);
    assert_n_frames(fixture, 3, FALSE);
    assert_frame(fixture, 0, INSIDE(1), TRUE, TRUE);
    assert_frame(fixture, 1, INSIDE(5), TRUE, FALSE);
    assert_frame(fixture, 2, INSIDE(6), TRUE, FALSE);
}

/* What looks like user mode's registers in the middle of a stack is not the end of it. */
static void
test_misplaced_user_regs(Fixture *fixture, gconstpointer data)
{
    set_regs(fixture, 1, INTRO_ORC_REGS, 0);
    put_regs(fixture, 100, INSIDE(5), USER_CS, 0x7fff0000);
    *task_word(fixture, 200) = INSIDE(6);
    unwind_from(fixture, 100);
    g_assert_false(fixture->stack->complete);
    g_assert_cmphex(g_array_index(fixture->stack->frames, IntroFrame, fixture->stack->frames->len - 1).pc, ==,
                    INSIDE(6));
}

static void
test_through_exception(Fixture *fixture, gconstpointer data)
{
    guint regs = put_user_regs(fixture);

    set_regs(fixture, 1, INTRO_ORC_REGS, 8);
    put_regs(fixture, 101, FUNCTION(2), KERNEL_CS, task_va(200));
    set_call(fixture, 2, 8);
    *task_word(fixture, 200) = INSIDE(3);
    set_regs(fixture, 3, INTRO_ORC_REGS, (regs - 201) * 8);
    unwind_from(fixture, 100);
    assert_n_frames(fixture, 3, TRUE);
    assert_frame(fixture, 1, FUNCTION(2), FALSE, TRUE);
    assert_frame(fixture, 2, INSIDE(3), TRUE, TRUE);
}

/* Entry code that an NMI hit between the two halves of saving registers finds R10 in the half saved before. */
static void
test_partial_regs(Fixture *fixture, gconstpointer data)
{
    set_regs(fixture, 1, INTRO_ORC_REGS, 0);
    put_regs(fixture, 100, FUNCTION(2), KERNEL_CS, task_va(200));
    *task_word(fixture, 100 + regs_layout.r10 / 8) = task_va(TOP);
    set_regs(fixture, 2, INTRO_ORC_REGS_PARTIAL, 0);
    *task_word(fixture, 200) = FUNCTION(3);
    *task_word(fixture, 201) = KERNEL_CS;
    *task_word(fixture, 203) = task_va(250);
    fixture->entries[3] = (IntroOrcEntry) { .type = INTRO_ORC_CALL, .sp_register = INTRO_ORC_REG_R10 };
    *task_word(fixture, TOP - 1) = INSIDE(4);
    fixture->entries[4].type = INTRO_ORC_END_OF_STACK;
    unwind_from(fixture, 100);
    assert_n_frames(fixture, 4, TRUE);
    assert_frame(fixture, 3, INSIDE(4), TRUE, TRUE);
}

static void
start_on_interrupt_stack(Fixture *fixture, gint16 sp_offset)
{
    const IntroUnwindStart start = { .ip = INSIDE(1), .sp = IRQ_STACK + STACK_BYTES - 16 };

    set_call(fixture, 1, 8);
    fixture->stacks[1][N_WORDS - 2] = INSIDE(2);
    fixture->stacks[1][N_WORDS - 1] = task_va(TOP);
    fixture->entries[2] = (IntroOrcEntry) {
        .type = INTRO_ORC_CALL, .sp_register = INTRO_ORC_REG_SP_INDIRECT, .sp_offset = sp_offset,
    };
    *task_word(fixture, TOP) = INSIDE(3);
    add_area(fixture, TASK_STACK, INTRO_STACK_LAST);
    add_area(fixture, IRQ_STACK, INTRO_STACK_SAVED_SP);
    fixture->stack = intro_unwind(&ops, fixture, &regs_layout, fixture->areas, &start);
}

static void
test_off_interrupt_stack(Fixture *fixture, gconstpointer data)
{
    fixture->entries[3].type = INTRO_ORC_END_OF_STACK;
    start_on_interrupt_stack(fixture, 8);
    assert_n_frames(fixture, 3, TRUE);
    assert_frame(fixture, 2, INSIDE(3), TRUE, TRUE);
}

/* The scan follows from one stack to the one before it, at the place where that was left. */
static void
test_scan_through_stacks(Fixture *fixture, gconstpointer data)
{
    *task_word(fixture, TOP - 1) = INSIDE(9);
    start_on_interrupt_stack(fixture, 0x7ff0);
    assert_n_frames(fixture, 3, FALSE);
    assert_frame(fixture, 1, INSIDE(2), TRUE, TRUE);
    assert_frame(fixture, 2, INSIDE(3), TRUE, FALSE);
}

static void
test_entry_stack(Fixture *fixture, gconstpointer data)
{
    const IntroUnwindStart start = { .ip = INSIDE(1), .sp = IRQ_STACK + STACK_BYTES - 16, .signal = TRUE };

    fixture->stacks[1][N_WORDS - 1] = INSIDE(2);
    *task_word(fixture, 100) = INSIDE(3);
    add_area(fixture, TASK_STACK, INTRO_STACK_LAST);
    add_area(fixture, IRQ_STACK, INTRO_STACK_FROM_USER);
    fixture->stack = intro_unwind(&ops, fixture, &regs_layout, fixture->areas, &start);
    assert_n_frames(fixture, 2, FALSE);
    assert_frame(fixture, 0, INSIDE(1), FALSE, TRUE);
    assert_frame(fixture, 1, INSIDE(2), TRUE, FALSE);
}

/* Nor are some registers' contents, taken for saved ones: what lies below counts. */
static void
test_misplaced_kernel_regs(Fixture *fixture, gconstpointer data)
{
    set_regs(fixture, 1, INTRO_ORC_REGS_PARTIAL, 0);
    *task_word(fixture, 100) = INSIDE(7);
    *task_word(fixture, 101) = 0xffff888000001000;
    *task_word(fixture, 103) = task_va(110);
    *task_word(fixture, 105) = INSIDE(8);
    unwind_from(fixture, 100);
    assert_n_frames(fixture, 3, FALSE);
    assert_frame(fixture, 0, INSIDE(1), TRUE, TRUE);
    assert_frame(fixture, 1, INSIDE(7), TRUE, FALSE);
    assert_frame(fixture, 2, INSIDE(8), TRUE, FALSE);
}

/* Code of which nothing is known is no end of the stack where another stack was left for this one. */
static void
start_at_false_end(Fixture *fixture, IntroStackLink link)
{
    const IntroUnwindStart start = { .ip = INSIDE(1), .sp = IRQ_STACK + (TOP + 1) * 8, .signal = TRUE };

    fixture->entries[1].type = INTRO_ORC_END_OF_STACK;
    fixture->stacks[1][TOP + 1] = INSIDE(2);
    add_area(fixture, TASK_STACK, INTRO_STACK_LAST);
    add_area(fixture, IRQ_STACK, link);
    fixture->stack = intro_unwind(&ops, fixture, &regs_layout, fixture->areas, &start);
}

static void
test_false_end_on_interrupt_stack(Fixture *fixture, gconstpointer data)
{
    fixture->stacks[1][N_WORDS - 1] = task_va(TOP);
    *task_word(fixture, TOP) = INSIDE(3);
    start_at_false_end(fixture, INTRO_STACK_SAVED_SP);
    assert_n_frames(fixture, 3, FALSE);
    assert_frame(fixture, 1, INSIDE(2), TRUE, FALSE);
    assert_frame(fixture, 2, INSIDE(3), TRUE, FALSE);
}

static void
put_exception_regs(Fixture *fixture, guint64 cs, guint64 sp)
{
    guint64 *regs = &fixture->stacks[1][N_WORDS - regs_layout.size_bytes / 8];

    regs[regs_layout.cs / 8] = cs;
    regs[regs_layout.sp / 8] = sp;
}

static void
test_false_end_on_exception_stack(Fixture *fixture, gconstpointer data)
{
    put_exception_regs(fixture, KERNEL_CS, task_va(TOP));
    *task_word(fixture, TOP) = INSIDE(3);
    start_at_false_end(fixture, INTRO_STACK_SAVED_REGS);
    assert_n_frames(fixture, 3, FALSE);
    assert_frame(fixture, 2, INSIDE(3), TRUE, FALSE);
}

static void
test_end_on_exception_stack(Fixture *fixture, gconstpointer data)
{
    put_exception_regs(fixture, USER_CS, 0x7fff0000);
    start_at_false_end(fixture, INTRO_STACK_SAVED_REGS);
    assert_n_frames(fixture, 1, TRUE);
}

/* Frames that lead back to themselves end, and so does going to and fro between two stacks. */
static void
test_no_progress(Fixture *fixture, gconstpointer data)
{
    fixture->entries[1] = (IntroOrcEntry) {
        .type = INTRO_ORC_CALL, .sp_register = INTRO_ORC_REG_SP_INDIRECT, .sp_offset = 0,
    };
    *task_word(fixture, 100) = task_va(100);
    *task_word(fixture, 99) = INSIDE(1);
    unwind_from(fixture, 100);
    assert_n_frames(fixture, 1, FALSE);
}

static void
test_two_stacks_in_turn(Fixture *fixture, gconstpointer data)
{
    const GuestVa irq_top = IRQ_STACK + STACK_BYTES - 8;

    fixture->entries[1] = (IntroOrcEntry) {
        .type = INTRO_ORC_CALL, .sp_register = INTRO_ORC_REG_SP_INDIRECT, .sp_offset = 0,
    };
    *task_word(fixture, 100) = irq_top;
    *task_word(fixture, 99) = INSIDE(1);
    fixture->stacks[1][N_WORDS - 1] = task_va(100);
    fixture->stacks[1][N_WORDS - 2] = INSIDE(1);
    add_area(fixture, TASK_STACK, INTRO_STACK_LAST);
    add_area(fixture, IRQ_STACK, INTRO_STACK_SAVED_SP);
    fixture->stack = intro_unwind(&ops, fixture, &regs_layout, fixture->areas,
                                  &(IntroUnwindStart) { .ip = INSIDE(1), .sp = task_va(100) });
    g_assert_false(fixture->stack->complete);
    g_assert_cmpuint(fixture->stack->frames->len, <, 10);
}

/* A return address that a tracer keeps elsewhere is reported for what it is, and nothing behind it is certain. */
static void
test_hidden_return(Fixture *fixture, gconstpointer data)
{
    set_call(fixture, 1, 8);
    set_call(fixture, 254, 8);
    fixture->entries[2].type = INTRO_ORC_END_OF_STACK;
    *task_word(fixture, 100) = HIDDEN;
    *task_word(fixture, 101) = INSIDE(2);
    unwind_from(fixture, 100);
    assert_n_frames(fixture, 3, FALSE);
    assert_frame(fixture, 1, HIDDEN, TRUE, TRUE);
    assert_frame(fixture, 2, INSIDE(2), TRUE, FALSE);
}

static void
test_call_of_null(Fixture *fixture, gconstpointer data)
{
    const IntroUnwindStart start = { .ip = 0, .sp = task_va(TOP), .signal = TRUE };

    *task_word(fixture, TOP) = INSIDE(2);
    fixture->entries[2].type = INTRO_ORC_END_OF_STACK;
    add_area(fixture, TASK_STACK, INTRO_STACK_LAST);
    fixture->stack = intro_unwind(&ops, fixture, &regs_layout, fixture->areas, &start);
    assert_n_frames(fixture, 1, TRUE);
    assert_frame(fixture, 0, INSIDE(2), TRUE, TRUE);
}

/* A stack pointer that is on no stack: then any of them may be in use. */
static void
test_lost(Fixture *fixture, gconstpointer data)
{
    const IntroUnwindStart start = { .ip = INSIDE(1), .sp = 0x1000, .signal = TRUE };

    *task_word(fixture, 0) = INSIDE(2);
    fixture->stacks[1][10] = INSIDE(3);
    set_call(fixture, 1, 8);
    add_area(fixture, TASK_STACK, INTRO_STACK_LAST);
    add_area(fixture, IRQ_STACK, INTRO_STACK_SAVED_SP);
    fixture->stack = intro_unwind(&ops, fixture, &regs_layout, fixture->areas, &start);
    assert_n_frames(fixture, 3, FALSE);
    assert_frame(fixture, 1, INSIDE(2), TRUE, FALSE);
    assert_frame(fixture, 2, INSIDE(3), TRUE, FALSE);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        { "/unwind/to-user-mode", test_to_user_mode },
        { "/unwind/to-kernel-thread", test_to_kernel_thread },
        { "/unwind/no-end", test_no_end },
        { "/unwind/call-before-end", test_call_before_end },
        { "/unwind/new-task", test_new_task },
        { "/unwind/frame-pointer", test_frame_pointer },
        { "/unwind/scan", test_scan },
        { "/unwind/misplaced-user-regs", test_misplaced_user_regs },
        { "/unwind/through-exception", test_through_exception },
        { "/unwind/partial-regs", test_partial_regs },
        { "/unwind/off-interrupt-stack", test_off_interrupt_stack },
        { "/unwind/scan-through-stacks", test_scan_through_stacks },
        { "/unwind/entry-stack", test_entry_stack },
        { "/unwind/misplaced kernel regs", test_misplaced_kernel_regs },
        { "/unwind/false end on an interrupt stack", test_false_end_on_interrupt_stack },
        { "/unwind/false end on an exception stack", test_false_end_on_exception_stack },
        { "/unwind/end on an exception stack", test_end_on_exception_stack },
        { "/unwind/no-progress", test_no_progress },
        { "/unwind/two-stacks-in-turn", test_two_stacks_in_turn },
        { "/unwind/hidden-return", test_hidden_return },
        { "/unwind/call-of-null", test_call_of_null },
        { "/unwind/lost", test_lost },
    };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, fixture_set_up, tests[i].run, fixture_tear_down);
    return g_test_run();
}
