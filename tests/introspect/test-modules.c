/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <elf.h>
#include <string.h>

#include "introspect/loaded.h"
#include "introspect/module-symbols.h"
#include "introspect/modules.h"
#include "tests/fake-guest.h"
#include "tests/introspect/btf-writer.h"

#define MEMORY_BYTES (4U << 20)
#define HEAD_VA      0xffffffff82000100ULL
#define MODULE_VA(n) (0xffffffffc0400000ULL + (n) * 0x10000ULL)
#define CORE_VA(n)   (MODULE_VA(n) + 0x4000)
#define INIT_VA(n)   (MODULE_VA(n) + 0x8000)

/* A struct module of our own making; where its members lie is told by types made to match. */
typedef struct {
    guint32 state;
    guint64 next, prev;
    char name[56];
    guint64 syms;
    guint32 num_syms;
    guint64 kallsyms;
    struct { guint64 base; guint32 size, text_size; } core_layout, init_layout;
    struct { guint64 base; guint32 size; } mem[3];
} FakeModule;

typedef struct {
    guint64 symtab;
    guint32 num_symtab;
    guint64 strtab, typetab;
} FakeTables;

typedef struct {
    gint32 value_offset, name_offset;
} FakeExport;

enum { STATE_LIVE, STATE_COMING, STATE_GOING, STATE_UNFORMED };

typedef struct {
    FakeGuest *guest;
    IntroSpace *space;
    IntroSymbols *symbols;
    IntroBtf *btf;
} Fixture;

static void
write_enum(BtfWriter *writer, const char *const *names, guint n)
{
    btf_writer_type(writer, BTF_ENUM, NULL, n, FALSE, 4);
    for (guint i = 0; i < n; i++) {
        btf_writer_u32(writer, btf_writer_string(writer, names[i]));
        btf_writer_u32(writer, i);
    }
}

#define MEMBER(type, member, id) { #member, id, G_STRUCT_OFFSET(type, member) * 8 }

/* As until Linux 6.3, or as since 6.4. */
static IntroBtf *
make_btf(gboolean has_mem)
{
    static const char *const states[] = {
        "MODULE_STATE_LIVE", "MODULE_STATE_COMING", "MODULE_STATE_GOING", "MODULE_STATE_UNFORMED",
    };
    static const char *const kinds[] = { "MOD_TEXT", "MOD_DATA", "MOD_INIT_TEXT" };
    g_autoptr(BtfWriter) writer = btf_writer_new();
    g_autoptr(GBytes) data = NULL;
    g_autoptr(GError) error = NULL;
    guint32 u64 = btf_writer_int(writer, "long", 8), u32 = btf_writer_int(writer, "int", 4);
    guint32 letter = btf_writer_int(writer, "char", 1), name = btf_writer_array(writer, letter, 56);
    BtfWriterMember layout_members[] = { { "base", u64, 0 }, { "size", u32, 64 }, { "text_size", u32, 96 } };
    guint32 layout = btf_writer_composite(writer, BTF_STRUCT, "module_layout", 16, FALSE, layout_members, 3);
    guint32 memory = btf_writer_composite(writer, BTF_STRUCT, "module_memory", 16, FALSE, layout_members, 2);
    guint32 mem = btf_writer_array(writer, memory, 3);
    BtfWriterMember list_members[] = { { "next", u64, 0 }, { "prev", u64, 64 } };
    guint32 list = btf_writer_composite(writer, BTF_STRUCT, "list_head", 16, FALSE, list_members, 2);
    BtfWriterMember members[] = {
        MEMBER(FakeModule, state, u32), { "list", list, G_STRUCT_OFFSET(FakeModule, next) * 8 },
        MEMBER(FakeModule, name, name), MEMBER(FakeModule, syms, u64), MEMBER(FakeModule, num_syms, u32),
        MEMBER(FakeModule, kallsyms, u64), MEMBER(FakeModule, core_layout, layout),
        MEMBER(FakeModule, init_layout, layout),
    };
    BtfWriterMember table_members[] = {
        MEMBER(FakeTables, symtab, u64), MEMBER(FakeTables, num_symtab, u32), MEMBER(FakeTables, strtab, u64),
        MEMBER(FakeTables, typetab, u64),
    };
    BtfWriterMember export_members[] = {
        MEMBER(FakeExport, value_offset, u32), MEMBER(FakeExport, name_offset, u32),
    };
    IntroBtf *btf;

    if (has_mem)
        members[6] = (BtfWriterMember) MEMBER(FakeModule, mem, mem);
    btf_writer_composite(writer, BTF_STRUCT, "module", sizeof(FakeModule), FALSE, members, has_mem ? 7 : 8);
    btf_writer_composite(writer, BTF_STRUCT, "mod_kallsyms", sizeof(FakeTables), FALSE, table_members, 4);
    btf_writer_composite(writer, BTF_STRUCT, "kernel_symbol", sizeof(FakeExport), FALSE, export_members, 2);
    write_enum(writer, states, G_N_ELEMENTS(states));
    write_enum(writer, kinds, G_N_ELEMENTS(kinds));
    data = btf_writer_finish(writer);
    btf = intro_btf_new(data, &error);
    g_assert_no_error(error);
    return btf;
}

static guint64
link_of(guint64 module)
{
    return module + G_STRUCT_OFFSET(FakeModule, next);
}

static void
fixture_set_up(Fixture *fixture, gconstpointer has_mem)
{
    IntroSymbolGroup *vmlinux = intro_symbol_group_new(NULL, NULL);
    IntroSymbol head = { .va = HEAD_VA, .name = "modules", .type = 'd' };
    guint64 empty[] = { HEAD_VA, HEAD_VA };

    g_array_append_val(vmlinux->symbols, head);
    fixture->guest = fake_guest_new(MEMORY_BYTES, FALSE);
    fixture->space = intro_space_new(fake_guest_reader(fixture->guest), fake_guest_root(fixture->guest), FALSE);
    fixture->symbols = intro_symbols_new(vmlinux);
    fixture->btf = make_btf(GPOINTER_TO_INT(has_mem));
    fake_guest_place(fixture->guest, HEAD_VA, empty, sizeof empty, 0);
}

static void
fixture_tear_down(Fixture *fixture, gconstpointer data)
{
    intro_btf_free(fixture->btf);
    intro_symbols_free(fixture->symbols);
    intro_space_free(fixture->space);
    fake_guest_free(fixture->guest);
}

/* The bytes of a mapped address. */
static gpointer
bytes_at(Fixture *fixture, GuestVa va)
{
    IntroMapping mapping;

    g_assert_true(intro_space_translate(fixture->space, va, &mapping, NULL));
    return fake_guest_bytes(fixture->guest, mapping.pa);
}

/* Makes module N, the next one in the list is NEXT. */
static FakeModule *
add_module(Fixture *fixture, guint n, const char *name, guint32 state, guint64 next)
{
    FakeModule module = {
        .state = state,
        .next = next,
        .core_layout = { CORE_VA(n), 0x3000, 0x1000 },
        .init_layout = { INIT_VA(n), state == STATE_COMING ? 0x1000 : 0, state == STATE_COMING ? 0x800 : 0 },
        .mem = { { CORE_VA(n), 0x1000 }, { CORE_VA(n) + 0x1000, 0x2000 }, { INIT_VA(n), 0 } },
    };

    g_strlcpy(module.name, name, sizeof module.name);
    return (FakeModule *) (gpointer) fake_guest_place(fixture->guest, MODULE_VA(n), &module, sizeof module, 0);
}

static void
set_first(Fixture *fixture, guint64 link)
{
    *(guint64 *) bytes_at(fixture, HEAD_VA) = link;
}

static GPtrArray *
read_modules(Fixture *fixture, GError **error)
{
    return intro_modules_read(fixture->space, fixture->symbols, fixture->btf, error);
}

static void
test_empty(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) modules = read_modules(fixture, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(modules->len, ==, 0);
}

static void
test_list(Fixture *fixture, gconstpointer has_mem)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) modules = NULL;
    const IntroLoadedModule *loaded;

    add_module(fixture, 0, "xfs", STATE_LIVE, link_of(MODULE_VA(1)));
    add_module(fixture, 1, "half", STATE_UNFORMED, link_of(MODULE_VA(2)));
    add_module(fixture, 2, "dummy", STATE_COMING, link_of(MODULE_VA(3)));
    add_module(fixture, 3, "old", STATE_GOING, HEAD_VA);
    set_first(fixture, link_of(MODULE_VA(0)));
    modules = read_modules(fixture, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(modules->len, ==, 3);

    loaded = g_ptr_array_index(modules, 0);
    g_assert_cmpstr(loaded->module.name, ==, "xfs");
    g_assert_cmpint(loaded->module.state, ==, 'L');
    g_assert_cmphex(loaded->module.base, ==, CORE_VA(0));
    g_assert_cmphex(loaded->module.size, ==, 0x3000);
    g_assert_cmphex(loaded->module.module, ==, MODULE_VA(0));
    g_assert_cmpuint(loaded->text->len, ==, 1);
    g_assert_cmphex(g_array_index(loaded->text, IntroRegion, 0).start, ==, CORE_VA(0));
    g_assert_cmphex(g_array_index(loaded->text, IntroRegion, 0).end, ==, CORE_VA(0) + 0x1000);
    g_assert_cmpuint(loaded->regions->len, ==, 2);
    g_assert_cmphex(g_array_index(loaded->regions, IntroRegion, 1).end, ==, CORE_VA(0) + 0x3000);

    loaded = g_ptr_array_index(modules, 1);
    g_assert_cmpint(loaded->module.state, ==, 'l');
    g_assert_cmphex(loaded->module.size, ==, GPOINTER_TO_INT(has_mem) ? 0x3000 : 0x4000);
    g_assert_cmpuint(loaded->text->len, ==, GPOINTER_TO_INT(has_mem) ? 1 : 2);
    loaded = g_ptr_array_index(modules, 2);
    g_assert_cmpint(loaded->module.state, ==, 'u');
}

static void
check_error(Fixture *fixture, IntroError code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(read_modules(fixture, &error));
    g_assert_error(error, INTRO_ERROR, (gint) code);
}

static void
test_broken_lists(Fixture *fixture, gconstpointer data)
{
    FakeModule *first = add_module(fixture, 0, "first", STATE_LIVE, link_of(MODULE_VA(1)));
    FakeModule *second = add_module(fixture, 1, "second", STATE_LIVE, link_of(MODULE_VA(0)));

    /* In a circle that does not come back to the head. */
    set_first(fixture, link_of(MODULE_VA(0)));
    check_error(fixture, INTRO_ERROR_CORRUPT);
    first->next = link_of(MODULE_VA(0));
    check_error(fixture, INTRO_ERROR_CORRUPT);
    /* The same with modules that are not shown. */
    first->state = STATE_UNFORMED;
    check_error(fixture, INTRO_ERROR_CORRUPT);
    first->state = STATE_LIVE;

    first->next = 0;
    check_error(fixture, INTRO_ERROR_NOT_MAPPED);
    first->next = 0x1234567890abcdef;
    check_error(fixture, INTRO_ERROR_NOT_MAPPED);

    first->next = link_of(MODULE_VA(1));
    second->next = HEAD_VA;
    second->state = 77;
    check_error(fixture, INTRO_ERROR_CORRUPT);
    second->state = STATE_LIVE;
    memset(second->name, 'x', sizeof second->name);
    check_error(fixture, INTRO_ERROR_CORRUPT);
    strcpy(second->name, "\033[2J");
    check_error(fixture, INTRO_ERROR_CORRUPT);
    strcpy(second->name, "second");
    second->core_layout.text_size = second->core_layout.size + 1;
    second->mem[0].size = 0xffffffff;
    check_error(fixture, INTRO_ERROR_CORRUPT);
}

/* ---- Symbols ---- */

static const char names[] = "\0init_module\0exported\0per_cpu\0\033[2J";

static void
add_symbols(Fixture *fixture, FakeModule *module, guint n)
{
    const Elf64_Sym symbols[] = {
        { .st_name = 0 },
        { .st_name = 1, .st_value = CORE_VA(n) + 0x10 },
        { .st_name = 13, .st_value = CORE_VA(n) + 0x40 },
        { .st_name = 22, .st_value = 0x38 },
        { .st_name = 30, .st_value = CORE_VA(n) + 0x80 },
        { .st_name = 0xfff, .st_value = CORE_VA(n) + 0x90 },        /* in the page, but no name */
    };
    /* It lies 0x100 bytes before the text; each offset is counted from its own field. */
    const FakeExport export = { 0x40 + 0x100, 0x200d + 0x100 - 4 };
    FakeTables tables = {
        CORE_VA(n) + 0x1000, G_N_ELEMENTS(symbols), CORE_VA(n) + 0x2000, CORE_VA(n) + 0x1000 + sizeof symbols,
    };

    fake_guest_place(fixture->guest, CORE_VA(n) + 0x1000, symbols, sizeof symbols, 0);
    memcpy(bytes_at(fixture, tables.typetab), "?tTaTd", sizeof symbols / sizeof symbols[0]);
    fake_guest_place(fixture->guest, CORE_VA(n) + 0x2000, names, sizeof names, 0);
    fake_guest_place(fixture->guest, CORE_VA(n) - 0x1000, "", 1, 0);
    memcpy(bytes_at(fixture, CORE_VA(n) - 0x100), &export, sizeof export);
    fake_guest_place(fixture->guest, MODULE_VA(n) + 0x1000, &tables, sizeof tables, 0);
    module->syms = CORE_VA(n) - 0x100;
    module->num_syms = 1;
    module->kallsyms = MODULE_VA(n) + 0x1000;
}

static IntroSymbolGroup *
read_symbols(Fixture *fixture, gsize budget, GError **error)
{
    g_autoptr(GPtrArray) modules = read_modules(fixture, error);

    g_assert_nonnull(modules);
    return intro_module_symbols_read(fixture->space, fixture->btf, g_ptr_array_index(modules, 0), &budget, error);
}

static void
test_symbols(Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *name;
        guint64 offset;
        char type;
    } expected[] = {
        { "init_module", 0x10, 't' }, { "exported", 0x40, 'T' }, { "per_cpu", 0x38 - CORE_VA(0), 'a' },
        { "?[2J", 0x80, 't' },
    };
    FakeModule *module = add_module(fixture, 0, "m", STATE_LIVE, HEAD_VA);
    g_autoptr(IntroSymbolGroup) group = NULL;
    g_autoptr(GError) error = NULL;

    set_first(fixture, link_of(MODULE_VA(0)));
    add_symbols(fixture, module, 0);
    group = read_symbols(fixture, 1 << 20, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(group->module, ==, "m");
    g_assert_cmpuint(group->symbols->len, ==, G_N_ELEMENTS(expected));
    for (guint i = 0; i < group->symbols->len; i++) {
        const IntroSymbol *symbol = &g_array_index(group->symbols, IntroSymbol, i);

        g_assert_cmpstr(symbol->name, ==, expected[i].name);
        g_assert_cmphex(symbol->va, ==, CORE_VA(0) + expected[i].offset);
        g_assert_cmpint(symbol->type, ==, expected[i].type);
    }
}

static void
check_symbols_error(Fixture *fixture, gsize budget, IntroError code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(read_symbols(fixture, budget, &error));
    g_assert_error(error, INTRO_ERROR, (gint) code);
}

static void
test_broken_symbols(Fixture *fixture, gconstpointer data)
{
    FakeModule *module = add_module(fixture, 0, "m", STATE_LIVE, HEAD_VA);
    FakeTables *tables;
    Elf64_Sym *symbols;

    set_first(fixture, link_of(MODULE_VA(0)));
    add_symbols(fixture, module, 0);
    tables = bytes_at(fixture, module->kallsyms);
    symbols = bytes_at(fixture, tables->symtab);

    check_symbols_error(fixture, 100, INTRO_ERROR_CORRUPT);
    tables->num_symtab = 0xffffffff;
    check_symbols_error(fixture, 1 << 20, INTRO_ERROR_CORRUPT);
    tables->num_symtab = 500;
    check_symbols_error(fixture, 1 << 20, INTRO_ERROR_NOT_MAPPED);
    tables->num_symtab = 6;
    symbols[5].st_name = 0xfffffff0;
    check_symbols_error(fixture, 1 << 20, INTRO_ERROR_CORRUPT);
    symbols[5].st_name = 0x2000;
    check_symbols_error(fixture, 1 << 20, INTRO_ERROR_NOT_MAPPED);
    symbols[5].st_name = 1;
    module->num_syms = 0xffffffff;
    check_symbols_error(fixture, 1 << 20, INTRO_ERROR_NOT_MAPPED);
    module->num_syms = 0;
    module->kallsyms = 0;
    check_symbols_error(fixture, 1 << 20, INTRO_ERROR_NOT_MAPPED);
}

/* The kernel gives up a module's symbols in initial memory, and others take it, while they are read. */
static void
finish_loading(FakeGuest *guest, gpointer data)
{
    Fixture *fixture = data;
    FakeModule *module = bytes_at(fixture, MODULE_VA(0));
    FakeTables *tables = bytes_at(fixture, module->kallsyms);
    const FakeTables still = { tables->symtab, 3, tables->strtab, tables->typetab };
    guint8 *strings = bytes_at(fixture, tables->strtab);

    strings[1] = '#';
    *tables = still;
    module->state = STATE_LIVE;
    module->init_layout.size = module->init_layout.text_size = 0;
}

/* Whatever has been read by then. */
static void
test_finishes_loading(Fixture *fixture, gconstpointer data)
{
    FakeModule *module = add_module(fixture, 0, "m", STATE_COMING, HEAD_VA);

    set_first(fixture, link_of(MODULE_VA(0)));
    add_symbols(fixture, module, 0);
    for (guint n_reads = 1, done = FALSE; !done; n_reads++) {
        const FakeModule before = *module;
        const FakeTables tables_before = *(FakeTables *) bytes_at(fixture, module->kallsyms);
        g_autoptr(GPtrArray) modules = NULL, groups = NULL;
        g_autoptr(GError) error = NULL;
        const IntroSymbolGroup *group;

        fake_guest_act_after(fixture->guest, n_reads, finish_loading, fixture);
        intro_loaded_read(fixture->space, fixture->symbols, fixture->btf, &modules, &groups, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(groups->len, ==, 1);
        group = groups->pdata[0];
        done = module->state == STATE_COMING;
        if (!done) {
            g_assert_cmpint(((const IntroLoadedModule *) modules->pdata[0])->module.state, ==, 'L');
            g_assert_cmpuint(group->symbols->len, ==, 2);
            g_assert_cmpstr(g_array_index(group->symbols, IntroSymbol, 0).name, ==, "#nit_module");
        } else {
            g_assert_cmpuint(n_reads, >, 10);
            g_assert_cmpstr(g_array_index(group->symbols, IntroSymbol, 0).name, ==, "init_module");
        }
        *module = before;
        *(FakeTables *) bytes_at(fixture, module->kallsyms) = tables_before;
        ((guint8 *) bytes_at(fixture, tables_before.strtab))[1] = 'i';
    }
}

static void
add_test(const char *path, gboolean has_mem, void (*test)(Fixture *, gconstpointer))
{
    g_test_add(path, Fixture, GINT_TO_POINTER(has_mem), fixture_set_up, test, fixture_tear_down);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_test("/modules/empty", FALSE, test_empty);
    add_test("/modules/list/layouts", FALSE, test_list);
    add_test("/modules/list/memory", TRUE, test_list);
    add_test("/modules/broken-lists/layouts", FALSE, test_broken_lists);
    add_test("/modules/broken-lists/memory", TRUE, test_broken_lists);
    add_test("/modules/symbols", FALSE, test_symbols);
    add_test("/modules/broken-symbols", FALSE, test_broken_symbols);
    add_test("/modules/finishes-loading", FALSE, test_finishes_loading);
    return g_test_run();
}
