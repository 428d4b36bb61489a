/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/symbols.h"

#define TEXT 0xffffffff81000000ULL
#define MODULE 0xffffffffc0200000ULL

typedef struct {
    GuestVa va;
    const char *name;
} Row;

static IntroSymbolGroup *
make_group(const char *module, const Row *rows, gsize n_rows, GuestVa start, GuestVa end)
{
    IntroSymbolGroup *group = intro_symbol_group_new(module, NULL);
    IntroRegion region = { start, end };

    for (gsize i = 0; i < n_rows; i++) {
        IntroSymbol symbol = { .va = rows[i].va, .name = rows[i].name, .type = 't' };

        g_array_append_val(group->symbols, symbol);
    }
    g_array_append_val(group->regions, region);
    return group;
}

/* vmlinux, and two modules of which one has an out-of-order table and a per-CPU variable. */
static IntroSymbols *
make_symbols(void)
{
    static const Row vmlinux[] = {
        { 0x0, "per_cpu_start" }, { 0x40, "per_cpu_variable" },
        { TEXT, "_text" }, { TEXT, "startup" }, { TEXT + 0x100, "schedule" }, { TEXT + 0x180, "twin" },
        { TEXT + 0x200, "twin" }, { TEXT + 0x1000, "_end" },
    };
    static const Row first[] = {
        { MODULE + 0x80, "init_module" }, { MODULE, "helper" }, { MODULE + 0x80, "my_init" }, { 0x20, "my_per_cpu" },
    };
    static const Row second[] = { { MODULE + 0x1000, "helper" }, { MODULE + 0x1010, "twin" } };
    GPtrArray *modules = g_ptr_array_new();
    IntroSymbols *symbols = intro_symbols_new(make_group(NULL, vmlinux, G_N_ELEMENTS(vmlinux), TEXT, TEXT + 0x1000));

    g_ptr_array_add(modules, make_group("first", first, G_N_ELEMENTS(first), MODULE, MODULE + 0x800));
    g_ptr_array_add(modules, make_group("second", second, G_N_ELEMENTS(second), MODULE + 0x1000, MODULE + 0x1800));
    intro_symbols_add_modules(symbols, modules);
    return symbols;
}

static void
test_order(void)
{
    static const char *const expected[] = {
        "per_cpu_start", "my_per_cpu", "per_cpu_variable", "_text", "startup", "schedule", "twin", "twin", "_end",
        "helper", "init_module", "my_init", "helper", "twin",
    };
    g_autoptr(IntroSymbols) symbols = make_symbols();
    gsize n_symbols;
    const IntroSymbol *all = intro_symbols_all(symbols, &n_symbols);

    g_assert_cmpuint(n_symbols, ==, G_N_ELEMENTS(expected));
    for (gsize i = 0; i < n_symbols; i++) {
        g_assert_cmpstr(all[i].name, ==, expected[i]);
        g_assert_true(i == 0 || all[i].va >= all[i - 1].va);
    }
    g_assert_null(all[0].module);
    g_assert_cmpstr(all[1].module, ==, "first");
    g_assert_cmpstr(all[13].module, ==, "second");
}

static void
check_at(const IntroSymbols *symbols, GuestVa va, const char *name, guint64 offset, guint64 size)
{
    guint64 found_offset = 0;
    const IntroSymbol *symbol = intro_symbols_at(symbols, va, &found_offset);

    if (name == NULL) {
        g_assert_null(symbol);
        return;
    }
    g_assert_nonnull(symbol);
    g_assert_cmpstr(symbol->name, ==, name);
    g_assert_cmphex(found_offset, ==, offset);
    g_assert_cmphex(symbol->size, ==, size);
}

static void
test_at(void)
{
    g_autoptr(IntroSymbols) symbols = make_symbols();

    check_at(symbols, TEXT, "_text", 0, 0x100);
    check_at(symbols, TEXT + 0xff, "_text", 0xff, 0x100);
    check_at(symbols, TEXT + 0x100, "schedule", 0, 0x80);
    check_at(symbols, TEXT + 0xfff, "twin", 0xdff, 0xe00);
    check_at(symbols, TEXT + 0x1000, NULL, 0, 0);
    check_at(symbols, TEXT - 1, NULL, 0, 0);
    check_at(symbols, 0x41, NULL, 0, 0);
    check_at(symbols, MODULE + 0x90, "init_module", 0x10, 0x780);
    check_at(symbols, MODULE + 0x7f, "helper", 0x7f, 0x80);
    check_at(symbols, MODULE + 0x800, NULL, 0, 0);
    check_at(symbols, MODULE + 0x17ff, "twin", 0x7ef, 0x7f0);
    check_at(symbols, G_MAXUINT64, NULL, 0, 0);
}

static void
test_named(void)
{
    g_autoptr(IntroSymbols) symbols = make_symbols();
    g_autofree const IntroSymbol **twins = NULL, **helper = NULL, **none = NULL, **elsewhere = NULL;
    g_autoptr(GError) error = NULL;
    GuestVa va;
    guint n_found;

    twins = intro_symbols_named(symbols, NULL, "twin", &n_found);
    g_assert_cmpuint(n_found, ==, 2);
    g_assert_cmphex(twins[0]->va, ==, TEXT + 0x180);
    g_assert_cmphex(twins[1]->va, ==, TEXT + 0x200);
    g_assert_null(twins[2]);
    helper = intro_symbols_named(symbols, "second", "helper", &n_found);
    g_assert_cmpuint(n_found, ==, 1);
    g_assert_cmphex(helper[0]->va, ==, MODULE + 0x1000);
    none = intro_symbols_named(symbols, NULL, "helper", &n_found);
    g_assert_cmpuint(n_found, ==, 0);
    elsewhere = intro_symbols_named(symbols, "third", "helper", NULL);
    g_assert_null(elsewhere[0]);

    g_assert_true(intro_symbols_address(symbols, "schedule", &va, &error));
    g_assert_cmphex(va, ==, TEXT + 0x100);
    g_assert_false(intro_symbols_address(symbols, "twin", &va, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND);
    g_clear_error(&error);
    g_assert_false(intro_symbols_address(symbols, "my_init", &va, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND);
}

static void
test_describe(void)
{
    static const struct {
        GuestVa va;
        gboolean is_return;
        const char *expected;
    } rows[] = {
        { TEXT + 0x10f, FALSE, "schedule+0xf/0x80" },
        { TEXT + 0x100, FALSE, "schedule+0x0/0x80" },
        { TEXT + 0x100, TRUE, "_text+0x100/0x100" },        /* behind a call that does not return */
        { MODULE + 0x84, TRUE, "init_module+0x4/0x780 [first]" },
        { 0x123, TRUE, "0x123" },
    };
    g_autoptr(IntroSymbols) symbols = make_symbols();

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = intro_symbols_describe(symbols, rows[i].va, rows[i].is_return);

        g_assert_cmpstr(text, ==, rows[i].expected);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/symbols/order", test_order);
    g_test_add_func("/symbols/at", test_at);
    g_test_add_func("/symbols/named", test_named);
    g_test_add_func("/symbols/describe", test_describe);
    return g_test_run();
}
