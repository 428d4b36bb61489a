/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pointers among the variables of the image and of a module, and what is passed over: a stack, and what cannot be written. */
#include "introspect/references.h"

#include "introspect/stack-facts.h"
#include "tests/introspect/fake-kernel.h"

#define MEMORY_BYTES    (4u << 20)
#define IMAGE           0xffffffff81000000ULL
#define DATA            (IMAGE + 0x100000)
#define BSS             (IMAGE + 0x200000)
#define MODULE          0xffffffffc0100000ULL
#define TARGET          0xffffffff81234560ULL
#define PAGE_BYTES      FAKE_PAGE_BYTES
#define N_WORDS         (2 * PAGE_BYTES / 8)

typedef struct {
    IntroKernel kernel;
    guint64 *data, *bss, *tail, *constants, *module;    /* two pages each, but for the last three: one */
} Fixture;

static IntroStackFacts facts = { .task_stack_bytes = PAGE_BYTES };

const IntroStackFacts *
intro_kernel_stack_facts(G_GNUC_UNUSED const IntroKernel *kernel, G_GNUC_UNUSED GError **error)
{
    return &facts;
}

static guint64 *
place(const Fixture *fixture, GuestVa va, gsize bytes, guint64 flags)
{
    static const guint8 zeros[2 * PAGE_BYTES];

    return (guint64 *) fake_guest_place(fixture->kernel.guest, va, zeros, bytes, flags);
}

static void
set_up(Fixture *fixture, gconstpointer omitted)
{
    static const IntroSymbol symbols[] = {
        { .va = DATA, .name = "_sdata", .type = 'D' },
        { .va = DATA + PAGE_BYTES, .name = "init_stack", .type = 'D' },
        { .va = DATA + 2 * PAGE_BYTES, .name = "_edata", .type = 'D' },
        { .va = BSS, .name = "__bss_start", .type = 'B' },
        { .va = BSS + PAGE_BYTES, .name = "__start_bss_decrypted_unused", .type = 'B' },
        { .va = BSS + PAGE_BYTES + 64, .name = "__end_bss_decrypted", .type = 'B' },
        { .va = BSS + 2 * PAGE_BYTES, .name = "__bss_stop", .type = 'B' },
        { .va = BSS + 2 * PAGE_BYTES + 8, .name = "_end", .type = 'B' },
    };
    IntroSymbolGroup *group = intro_symbol_group_new(NULL, NULL);

    fake_kernel_set_up(&fixture->kernel, MEMORY_BYTES);
    for (gsize i = 0; i < G_N_ELEMENTS(symbols); i++)
        if (g_strcmp0(symbols[i].name, omitted) != 0)
            g_array_append_val(group->symbols, symbols[i]);
    fixture->kernel.symbols = intro_symbols_new(group);
    fixture->data = place(fixture, DATA, 2 * PAGE_BYTES, FAKE_WRITABLE);
    fixture->bss = place(fixture, BSS, 2 * PAGE_BYTES, FAKE_WRITABLE);
    fixture->tail = place(fixture, BSS + 3 * PAGE_BYTES, PAGE_BYTES, FAKE_WRITABLE);
    fixture->constants = place(fixture, MODULE, PAGE_BYTES, 0);
    fixture->module = place(fixture, MODULE + PAGE_BYTES, PAGE_BYTES, FAKE_WRITABLE);
}

static void
tear_down(Fixture *fixture, gconstpointer omitted)
{
    fake_kernel_tear_down(&fixture->kernel);
}

static gboolean
is_target(GuestVa to, gconstpointer data)
{
    return to == TARGET;
}

static void
assert_found(const Fixture *fixture, const GuestVa *expected, guint n)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(IntroReference));
    g_autoptr(GError) error = NULL;

    intro_references_find(&fixture->kernel, is_target, NULL, found, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(found->len, ==, n);
    for (guint i = 0; i < n; i++) {
        g_assert_cmphex(g_array_index(found, IntroReference, i).at, ==, expected[i]);
        g_assert_cmphex(g_array_index(found, IntroReference, i).to, ==, TARGET);
    }
}

static void
test_variables(Fixture *fixture, gconstpointer omitted)
{
    const GuestVa expected[] = { DATA, DATA + PAGE_BYTES - 8, BSS + 8, BSS + 2 * PAGE_BYTES - 8, MODULE + PAGE_BYTES + 16 };

    fixture->data[0] = fixture->data[PAGE_BYTES / 8 - 1] = TARGET;
    fixture->bss[1] = fixture->bss[N_WORDS - 1] = TARGET;
    fixture->module[2] = TARGET;
    fixture->data[1] = TARGET + 1;
    assert_found(fixture, expected, G_N_ELEMENTS(expected));
}

static void
test_passed_over(Fixture *fixture, gconstpointer omitted)
{
    fixture->data[PAGE_BYTES / 8] = fixture->data[N_WORDS - 1] = TARGET;
    fixture->bss[PAGE_BYTES / 8] = fixture->bss[PAGE_BYTES / 8 + 7] = TARGET;
    fixture->tail[5] = fixture->constants[0] = TARGET;
    assert_found(fixture, NULL, 0);
}

/* A module's memory that leads out of the machine's. */
static void
test_no_memory(Fixture *fixture, gconstpointer omitted)
{
    const GuestVa expected[] = { DATA };

    fake_guest_map(fixture->kernel.guest, MODULE + 2 * PAGE_BYTES, guest_pa(1ULL << 40), 1, FAKE_WRITABLE);
    fixture->data[0] = TARGET;
    assert_found(fixture, expected, 1);
}

/* The same page over and over, as a kernel could claim that it has. */
static void
test_too_many(Fixture *fixture, gconstpointer omitted)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(IntroReference));
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < 300; i++)
        fake_guest_map(fixture->kernel.guest, 0xffffffffc2000000ULL + i * 0x200000ULL, guest_pa(0), 2, FAKE_WRITABLE);
    g_assert_false(intro_references_find(&fixture->kernel, is_target, NULL, found, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT);
}

static void
test_unknown(Fixture *fixture, gconstpointer omitted)
{
    g_assert_false(intro_references_are_known(&fixture->kernel, NULL));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, omitted, test) g_test_add("/references/" name, Fixture, omitted, set_up, test, tear_down)
    ADD("variables", NULL, test_variables);
    ADD("passed-over", NULL, test_passed_over);
    ADD("no-memory", NULL, test_no_memory);
    ADD("too-many", NULL, test_too_many);
    ADD("unknown", "__bss_stop", test_unknown);
    return g_test_run();
}
