/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/thunks.h"
#include "tests/introspect/fake-kernel.h"

#define MEMORY_BYTES    (4u << 20)
#define TEXT            0xffffffff81000000ULL
#define TEXT_BYTES      0x1000
#define FUNCTION        TEXT
#define RETPOLINE       (TEXT + 0x100)
#define LAST_RETPOLINE  (TEXT + 0x120)
#define BEHIND          (TEXT + 0x140)
#define RETURN_THUNK    (TEXT + 0x200)
#define OTHER           (TEXT + 0x220)
#define STORE           12
#define LAST_STEP       16

typedef struct {
    IntroKernel kernel;
    IntroThunks thunks;
} Fixture;

static const guint8 retpoline[] = {
    0xe8, 7, 0, 0, 0, 0xf3, 0x90, 0x0f, 0xae, 0xe8, 0xeb, 0xf9, 0x4c, 0x89, 0x3c, 0x24, 0xc3,
};

static void
set_up(Fixture *fixture, gconstpointer data)
{
    static const IntroSymbol symbols[] = {
        { .va = FUNCTION, .name = "function" }, { .va = RETPOLINE, .name = "__x86_indirect_thunk_array" },
        { .va = RETPOLINE, .name = "__x86_indirect_thunk_rax" }, { .va = LAST_RETPOLINE, .name = "__x86_indirect_thunk_r15" },
        { .va = BEHIND, .name = "behind" }, { .va = RETURN_THUNK, .name = "__x86_return_thunk" },
        { .va = OTHER, .name = "other" },
    };
    const IntroRegion region = { TEXT, TEXT + TEXT_BYTES };
    IntroSymbolGroup *group = intro_symbol_group_new(NULL, g_strdup(""));
    guint8 code[TEXT_BYTES] = { 0 };

    fake_kernel_set_up(&fixture->kernel, MEMORY_BYTES);
    g_array_append_val(group->regions, region);
    g_array_append_vals(group->symbols, symbols, G_N_ELEMENTS(symbols));
    fixture->kernel.symbols = intro_symbols_new(group);
    memcpy(code + (RETPOLINE - TEXT), retpoline, sizeof retpoline);
    memcpy(code + (LAST_RETPOLINE - TEXT), retpoline, sizeof retpoline);
    fake_guest_place(fixture->kernel.guest, TEXT, code, sizeof code, 0);
    intro_thunks_init(&fixture->thunks, fixture->kernel.symbols);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    fake_kernel_tear_down(&fixture->kernel);
}

static IntroOrcEntry
entry_at(Fixture *fixture, GuestVa ip, IntroOrcType type)
{
    IntroOrcEntry entry = { .type = type };

    g_assert_true(intro_thunks_entry(&fixture->thunks, fixture->kernel.space, ip, &entry));
    g_assert_cmpint(entry.type, ==, INTRO_ORC_CALL);
    g_assert_cmpint(entry.sp_register, ==, INTRO_ORC_REG_SP);
    return entry;
}

/* The kernel has called the start of a retpoline the end of the stack, and calls it unknown. */
static void
test_steps(Fixture *fixture, gconstpointer data)
{
    IntroOrcEntry entry = entry_at(fixture, RETPOLINE, INTRO_ORC_END_OF_STACK);

    g_assert_cmpint(entry.sp_offset, ==, 8);
    g_assert_false(entry.signal);
    g_assert_cmpint(entry_at(fixture, LAST_RETPOLINE, INTRO_ORC_UNDEFINED).sp_offset, ==, 8);
    entry = entry_at(fixture, LAST_RETPOLINE + STORE, INTRO_ORC_UNDEFINED);
    g_assert_cmpint(entry.sp_offset, ==, 16);
    g_assert_false(entry.signal);
    entry = entry_at(fixture, RETPOLINE + LAST_STEP, INTRO_ORC_CALL);
    g_assert_cmpint(entry.sp_offset, ==, 8);
    g_assert_true(entry.signal);
}

static void
test_elsewhere(Fixture *fixture, gconstpointer data)
{
    static const GuestVa places[] = { FUNCTION, RETPOLINE - 1, BEHIND, RETURN_THUNK, OTHER };

    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        IntroOrcEntry entry = { .type = INTRO_ORC_END_OF_STACK };

        g_assert_false(intro_thunks_entry(&fixture->thunks, fixture->kernel.space, places[i], &entry));
        g_assert_cmpint(entry.type, ==, INTRO_ORC_END_OF_STACK);
    }
}

/* A function's start is jumped to, what lies within one is returned to. */
static void
test_return_thunk(Fixture *fixture, gconstpointer data)
{
    const IntroSymbols *symbols = fixture->kernel.symbols;

    g_assert_true(intro_thunks_is_jump(&fixture->thunks, symbols, RETURN_THUNK, OTHER));
    g_assert_false(intro_thunks_is_jump(&fixture->thunks, symbols, RETURN_THUNK, OTHER + 5));
    g_assert_false(intro_thunks_is_jump(&fixture->thunks, symbols, FUNCTION, OTHER));
    g_assert_false(intro_thunks_is_jump(&fixture->thunks, symbols, RETURN_THUNK, 0));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/thunks/a retpoline's steps", Fixture, NULL, set_up, test_steps, tear_down);
    g_test_add("/thunks/elsewhere", Fixture, NULL, set_up, test_elsewhere, tear_down);
    g_test_add("/thunks/a return thunk", Fixture, NULL, set_up, test_return_thunk, tear_down);
    return g_test_run();
}
