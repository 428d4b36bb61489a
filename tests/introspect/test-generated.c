/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/ftrace-sites.h"
#include "introspect/generated.h"
#include "introspect/module-sections.h"
#include "introspect/tracers.h"
#include "tests/introspect/btf-writer.h"
#include "tests/introspect/fake-kernel.h"

#define MEMORY_BYTES    (4u << 20)
#define TEXT            0xffffffff81000000ULL
#define CALLER          (TEXT + 0x100)
#define REGS_CALLER     (TEXT + 0x200)
#define GRAPH           (TEXT + 0x300)
#define KRETPROBE       (TEXT + 0x400)
#define RETHOOK         (TEXT + 0x500)
#define DATA            0xffffffff82000000ULL
#define CODE            0xffffffffc0000000ULL
#define SAVE_REGS       4
#define SITE_ENABLED    0x80000000U
#define N_CHAINS        8
#define SLOT            0xffffc90000001000ULL

/* The kernel's structures, of our own making; where their members lie is told by types made to match. */
typedef struct {
    guint64 start, end;
    char name[32];
    guint64 next;
} FakeKsym;

typedef struct {
    guint64 flags, trampoline, size, next;
} FakeOps;

typedef struct {
    guint64 next, ret_addr, task, fp;
} FakeHook;

typedef struct {
    guint64 ret, retp;
} FakeReturn;

typedef struct {
    guint64 rethooks, ret_stack;
} FakeTask;

typedef struct {
    guint64 next, records;
    guint32 index;
} FakePage;

typedef struct {
    guint64 ip, flags;
} FakeSite;

typedef struct {
    guint64 name, address;
} FakeSection;

typedef struct {
    guint64 bin_attrs;
    guint32 nsections;
    FakeSection attrs[3];
} FakeSections;

/* What lies at DATA. */
typedef struct {
    guint64 bpf_head, ops_head, chains[N_CHAINS];
    FakeKsym ksyms[3];
    FakeOps ops[2];
    FakeHook hooks[4];
    FakeTask tasks[2];
    FakeReturn returns[512];
    guint64 first_page;
    FakePage pages[2];
    FakeSite sites[3];
    guint64 module, pointers[3];        /* a struct module is but the pointer to its sections */
    FakeSections sections;
    char names[2][16];
} FakeData;

typedef struct {
    IntroKernel kernel;
    FakeData *data;
    guint8 *code;
} Fixture;

gboolean
intro_kernel_is_text(const IntroKernel *kernel, GuestVa va)
{
    return va >= TEXT && va < TEXT + 0x1000;
}

#define VA(member) (DATA + G_STRUCT_OFFSET(FakeData, member))
#define NAMED(type, name, member, id) { name, id, G_STRUCT_OFFSET(type, member) * 8 }

static void
write_hooks(BtfWriter *writer, guint32 u64, gboolean has_rethooks)
{
    const BtfWriterMember next[] = { { "next", u64, 0 } };
    guint32 node = btf_writer_composite(writer, BTF_STRUCT, "hlist_node", 8, FALSE, next, 1);
    const BtfWriterMember instance[] = {
        NAMED(FakeHook, "hlist", next, node), NAMED(FakeHook, "ret_addr", ret_addr, u64),
        NAMED(FakeHook, "task", task, u64), NAMED(FakeHook, "fp", fp, u64),
    };
    const BtfWriterMember rethook[] = {
        NAMED(FakeHook, "llist", next, node), NAMED(FakeHook, "ret_addr", ret_addr, u64),
        NAMED(FakeHook, "frame", fp, u64),
    };
    const BtfWriterMember shadow[] = { NAMED(FakeReturn, "ret", ret, u64), NAMED(FakeReturn, "retp", retp, u64) };
    const BtfWriterMember task[] = {
        NAMED(FakeTask, "ret_stack", ret_stack, u64), NAMED(FakeTask, "rethooks", rethooks, u64),
    };

    btf_writer_composite(writer, BTF_STRUCT, "kretprobe_instance", sizeof(FakeHook), FALSE, instance, 4);
    btf_writer_composite(writer, BTF_STRUCT, "rethook_node", sizeof(FakeHook), FALSE, rethook, 3);
    btf_writer_composite(writer, BTF_STRUCT, "ftrace_ret_stack", sizeof(FakeReturn), FALSE, shadow, 2);
    btf_writer_composite(writer, BTF_STRUCT, "task_struct", sizeof(FakeTask), FALSE, task, has_rethooks ? 2 : 1);
}

static void
write_sites(BtfWriter *writer, guint32 u64, guint32 u32)
{
    const BtfWriterMember page[] = {
        NAMED(FakePage, "next", next, u64), NAMED(FakePage, "records", records, u64),
        NAMED(FakePage, "index", index, u32),
    };
    const BtfWriterMember site[] = { NAMED(FakeSite, "ip", ip, u64), NAMED(FakeSite, "flags", flags, u64) };

    btf_writer_composite(writer, BTF_STRUCT, "ftrace_page", sizeof(FakePage), FALSE, page, 3);
    btf_writer_composite(writer, BTF_STRUCT, "dyn_ftrace", sizeof(FakeSite), FALSE, site, 2);
    btf_writer_type(writer, BTF_ENUM, NULL, 1, FALSE, 4);
    btf_writer_u32(writer, btf_writer_string(writer, "FTRACE_FL_ENABLED"));
    btf_writer_u32(writer, SITE_ENABLED);
}

/* As until Linux 6.13, or as since 6.14. */
static void
write_sections(BtfWriter *writer, guint32 u64, guint32 u32, gboolean is_new)
{
    const BtfWriterMember name[] = { { "name", u64, 0 } };
    guint32 attribute = btf_writer_composite(writer, BTF_STRUCT, "attribute", 8, FALSE, name, 1);
    const BtfWriterMember bin[] = { { "attr", attribute, 0 }, NAMED(FakeSection, "private", address, u64) };
    guint32 bin_attribute = btf_writer_composite(writer, BTF_STRUCT, "bin_attribute", sizeof(FakeSection), FALSE, bin, 2);
    const BtfWriterMember old[] = { { "battr", bin_attribute, 0 }, NAMED(FakeSection, "address", address, u64) };
    guint32 section = btf_writer_composite(writer, BTF_STRUCT, "module_sect_attr", sizeof(FakeSection), FALSE, old, 2);
    guint32 attrs = btf_writer_array(writer, is_new ? bin_attribute : section, 0);
    const BtfWriterMember group[] = { { "bin_attrs", u64, 0 } };
    guint32 grp = btf_writer_composite(writer, BTF_STRUCT, "attribute_group", 8, FALSE, group, 1);
    const BtfWriterMember list[] = {
        NAMED(FakeSections, "grp", bin_attrs, grp), NAMED(FakeSections, "attrs", attrs, attrs),
        NAMED(FakeSections, "nsections", nsections, u32),
    };
    const BtfWriterMember module[] = { { "sect_attrs", u64, 0 } };

    btf_writer_composite(writer, BTF_STRUCT, "module_sect_attrs", sizeof(FakeSections), FALSE, list, is_new ? 2 : 3);
    btf_writer_composite(writer, BTF_STRUCT, "module", 8, FALSE, module, 1);
}

static IntroBtf *
make_btf(gboolean is_new)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    guint32 u64 = btf_writer_int(writer, "long", 8), letter = btf_writer_int(writer, "char", 1);
    guint32 u32 = btf_writer_int(writer, "int", 4);
    guint32 name = btf_writer_array(writer, letter, 32);
    const BtfWriterMember ksym[] = {
        NAMED(FakeKsym, "start", start, u64), NAMED(FakeKsym, "end", end, u64), NAMED(FakeKsym, "name", name, name),
        NAMED(FakeKsym, "lnode", next, u64),
    };
    const BtfWriterMember ops[] = {
        NAMED(FakeOps, "flags", flags, u64), NAMED(FakeOps, "trampoline", trampoline, u64),
        NAMED(FakeOps, "trampoline_size", size, u64), NAMED(FakeOps, "list", next, u64),
    };
    g_autoptr(GBytes) bytes = NULL;
    IntroBtf *btf;

    btf_writer_composite(writer, BTF_STRUCT, "bpf_ksym", sizeof(FakeKsym), FALSE, ksym, 4);
    btf_writer_composite(writer, BTF_STRUCT, "ftrace_ops", sizeof(FakeOps), FALSE, ops, 4);
    write_hooks(writer, u64, is_new);
    write_sites(writer, u64, u32);
    write_sections(writer, u64, u32, is_new);
    btf_writer_type(writer, BTF_ENUM, NULL, 1, FALSE, 4);
    btf_writer_u32(writer, btf_writer_string(writer, "FTRACE_OPS_FL_SAVE_REGS"));
    btf_writer_u32(writer, SAVE_REGS);
    bytes = btf_writer_finish(writer);
    btf = intro_btf_new(bytes, NULL);
    g_assert_nonnull(btf);
    return btf;
}

static IntroSymbols *
make_symbols(gboolean is_new)
{
    const IntroSymbol all[] = {
        { .va = CALLER, .name = "ftrace_caller", .type = 'T' },
        { .va = REGS_CALLER, .name = "ftrace_regs_caller", .type = 'T' },
        { .va = GRAPH, .name = "return_to_handler", .type = 'T' },
        { .va = KRETPROBE, .name = "kretprobe_trampoline", .type = 'T' },
        { .va = RETHOOK, .name = "arch_rethook_trampoline", .type = 'T' },
        { .va = RETHOOK + 0x100, .name = "next", .type = 'T' },
        { .va = VA(bpf_head), .name = "bpf_kallsyms", .type = 'd' },
        { .va = VA(ops_head), .name = "ftrace_ops_trampoline_list", .type = 'd' },
        { .va = VA(chains), .name = is_new ? "no_table" : "kretprobe_inst_table", .type = 'b' },
        { .va = VA(ksyms), .name = "behind_it", .type = 'd' },
        { .va = VA(first_page), .name = "ftrace_pages_start", .type = 'b' },
    };
    IntroSymbolGroup *group = intro_symbol_group_new(NULL, g_strdup(""));
    const IntroRegion region = { TEXT, DATA + 0x100000 };

    g_array_append_vals(group->symbols, all, G_N_ELEMENTS(all));
    g_array_append_val(group->regions, region);
    return intro_symbols_new(group);
}

static void
set_up(Fixture *fixture, gconstpointer is_new)
{
    static const guint8 zeros[4096];
    static const FakeData empty = { .bpf_head = VA(bpf_head), .ops_head = VA(ops_head) };

    fake_kernel_set_up(&fixture->kernel, MEMORY_BYTES);
    fixture->kernel.btf = make_btf(is_new != NULL);
    fixture->kernel.symbols = make_symbols(is_new != NULL);
    fixture->data = (FakeData *) fake_guest_place(fixture->kernel.guest, DATA, &empty, sizeof empty, FAKE_WRITABLE);
    fixture->code = fake_guest_place(fixture->kernel.guest, CODE, zeros, sizeof zeros, 0);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    fake_kernel_tear_down(&fixture->kernel);
}

/* Two programs, the one with the higher address first, and a tracer that has a trampoline. */
static void
add_generated(Fixture *fixture)
{
    FakeData *data = fixture->data;

    data->ksyms[0] = (FakeKsym) { CODE + 0x200, CODE + 0x280, "bpf_prog_two", VA(ksyms[1].next) };
    data->ksyms[1] = (FakeKsym) { CODE, CODE + 0x100, "bpf_prog\none", VA(bpf_head) };
    data->bpf_head = VA(ksyms[0].next);
    data->ops[0] = (FakeOps) { .next = VA(ops[1].next) };
    data->ops[1] = (FakeOps) { SAVE_REGS | 1, CODE + 0x400, 0x80, VA(ops_head) };
    data->ops_head = VA(ops[0].next);
}

static void
assert_generated(const GArray *found, GuestVa va, GuestVa start, const char *name, GuestVa original)
{
    const IntroGenerated *generated = intro_generated_at(found, va);

    g_assert_nonnull(generated);
    g_assert_cmphex(generated->start, ==, start);
    g_assert_cmpstr(generated->name, ==, name);
    g_assert_cmphex(generated->original, ==, original);
}

static void
test_lists(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) none = intro_generated_read(&fixture->kernel, &error);
    g_autoptr(GArray) found = NULL;

    g_assert_no_error(error);
    g_assert_cmpuint(none->len, ==, 0);
    g_assert_null(intro_generated_at(none, CODE));
    add_generated(fixture);
    found = intro_generated_read(&fixture->kernel, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(found->len, ==, 3);
    assert_generated(found, CODE, CODE, "bpf_prog?one", 0);
    assert_generated(found, CODE + 0x27f, CODE + 0x200, "bpf_prog_two", 0);
    assert_generated(found, CODE + 0x410, CODE + 0x400, "ftrace_trampoline", REGS_CALLER);
    g_assert_null(intro_generated_at(found, CODE - 1));
    g_assert_null(intro_generated_at(found, CODE + 0x100));
    g_assert_null(intro_generated_at(found, CODE + 0x480));
}

static void
test_corrupt(Fixture *fixture, gconstpointer data)
{
    const guint64 ends[] = { 0, CODE, CODE + (1ULL << 40), G_MAXUINT64 };
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(ends); i++) {
        add_generated(fixture);
        fixture->data->ksyms[1].end = ends[i];
        g_assert_null(intro_generated_read(&fixture->kernel, &error));
        g_assert_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT);
        g_clear_error(&error);
    }
    add_generated(fixture);
    fixture->data->ksyms[1].next = VA(ksyms[1].next);
    g_assert_null(intro_generated_read(&fixture->kernel, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT);
    g_clear_error(&error);
    add_generated(fixture);
    fixture->data->ops[1].next = 0x1000;
    g_assert_null(intro_generated_read(&fixture->kernel, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_MAPPED);
}

/* nopl; push %rbp; mov %rsp,%rbp; nop; leave; add $8,%rsp; ret */
static void
test_frames(Fixture *fixture, gconstpointer data)
{
    static const guint8 code[] = {
        0x0f, 0x1f, 0x44, 0x00, 0x00, 0x55, 0x48, 0x89, 0xe5, 0x90, 0xc9, 0x48, 0x83, 0xc4, 0x08, 0xc3,
    };
    static const struct {
        gsize at;
        gboolean has_frame;
    } instructions[] = { { 0 }, { 5 }, { 6 }, { 9, TRUE }, { 10, TRUE }, { 11 }, { 15 } };
    IntroGenerated generated = { .start = CODE, .end = CODE + sizeof code, .kind = INTRO_GENERATED_BPF };

    memcpy(fixture->code, code, sizeof code);
    for (gsize i = 0; i < G_N_ELEMENTS(instructions); i++)
        g_assert_cmpint(intro_generated_has_frame(&generated, fixture->kernel.space, CODE + instructions[i].at, FALSE), ==,
                        instructions[i].has_frame);
    g_assert_true(intro_generated_has_frame(&generated, fixture->kernel.space, CODE + 15, TRUE));
    g_assert_false(intro_generated_has_frame(&generated, fixture->kernel.space, CODE + 5, TRUE));
    generated.kind = INTRO_GENERATED_TRACER;
    g_assert_false(intro_generated_has_frame(&generated, fixture->kernel.space, CODE + 9, TRUE));
    generated.kind = INTRO_GENERATED_BPF;
    fixture->code[5] = 0x90;
    g_assert_false(intro_generated_has_frame(&generated, fixture->kernel.space, CODE + 15, TRUE));
    generated.end = CODE + 2;
    g_assert_false(intro_generated_has_frame(&generated, fixture->kernel.space, CODE + 1, TRUE));
}

static void
assert_original(Fixture *fixture, GuestVa task, GuestVa return_va, gboolean known, GuestVa original)
{
    IntroTracers tracers;
    GuestVa found;

    intro_tracers_init(&tracers, &fixture->kernel);
    g_assert_cmpint(intro_tracers_original(&tracers, &fixture->kernel, task, return_va, SLOT, &found), ==, known);
    if (known)
        g_assert_cmphex(found, ==, original);
}

/* Linux 5.10: all tasks' kretprobes in one table. Of two on one slot, the later one found a trampoline. */
static void
test_kretprobe_table(Fixture *fixture, gconstpointer data)
{
    FakeHook *hooks = fixture->data->hooks;

    fixture->data->chains[5] = VA(hooks[0]);
    hooks[0] = (FakeHook) { VA(hooks[1]), TEXT + 0x10, VA(tasks[1]), SLOT };
    hooks[1] = (FakeHook) { VA(hooks[2]), TEXT + 0x20, VA(tasks[0]), SLOT - 8 };
    hooks[2] = (FakeHook) { VA(hooks[3]), KRETPROBE, VA(tasks[0]), SLOT };
    hooks[3] = (FakeHook) { 0, TEXT + 0x30, VA(tasks[0]), SLOT };
    assert_original(fixture, VA(tasks[0]), TEXT + 0x40, TRUE, TEXT + 0x40);
    assert_original(fixture, VA(tasks[0]), KRETPROBE, TRUE, TEXT + 0x30);
    assert_original(fixture, VA(tasks[1]), KRETPROBE, TRUE, TEXT + 0x10);
    assert_original(fixture, 0, KRETPROBE, FALSE, 0);
    hooks[3].fp = SLOT + 8;
    assert_original(fixture, VA(tasks[0]), KRETPROBE, FALSE, 0);
    hooks[3].next = VA(hooks[0]);
    assert_original(fixture, VA(tasks[0]), KRETPROBE, FALSE, 0);
}

/* The function graph tracer and a rethook on one function, whichever came first. */
static void
test_both(Fixture *fixture, gconstpointer data)
{
    FakeHook *hook = &fixture->data->hooks[0];
    FakeTask *task = &fixture->data->tasks[0];

    task->rethooks = VA(hooks[0]);
    task->ret_stack = VA(returns);
    fixture->data->returns[1] = (FakeReturn) { TEXT + 0x10, SLOT };
    *hook = (FakeHook) { 0, GRAPH, 0, SLOT };
    assert_original(fixture, VA(tasks[0]), RETHOOK, TRUE, TEXT + 0x10);
    fixture->data->returns[1].ret = RETHOOK;
    hook->ret_addr = TEXT + 0x20;
    assert_original(fixture, VA(tasks[0]), GRAPH, TRUE, TEXT + 0x20);
    hook->ret_addr = GRAPH;
    assert_original(fixture, VA(tasks[0]), GRAPH, FALSE, 0);
    hook->ret_addr = RETHOOK + 1;
    assert_original(fixture, VA(tasks[0]), RETHOOK, FALSE, 0);
    assert_original(fixture, VA(tasks[0]), KRETPROBE, FALSE, 0);
}

static void
test_sites(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    guint n_sites, n_calls;

    g_assert_true(intro_ftrace_sites_count(&fixture->kernel, &n_sites, &n_calls, &error));
    g_assert_cmpuint(n_sites, ==, 0);
    fixture->data->first_page = VA(pages[1]);
    fixture->data->pages[1] = (FakePage) { VA(pages[0]), VA(sites[1]), 2 };
    fixture->data->pages[0] = (FakePage) { 0, VA(sites[0]), 1 };
    fixture->data->sites[1].flags = SITE_ENABLED | 1;
    fixture->data->sites[2].flags = SITE_ENABLED - 1;
    g_assert_true(intro_ftrace_sites_count(&fixture->kernel, &n_sites, &n_calls, &error));
    g_assert_cmpuint(n_sites, ==, 3);
    g_assert_cmpuint(n_calls, ==, 1);
    fixture->data->pages[0].next = VA(pages[1]);
    g_assert_false(intro_ftrace_sites_count(&fixture->kernel, &n_sites, &n_calls, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT);
    g_clear_error(&error);
    fixture->data->pages[0] = (FakePage) { 0, VA(sites[0]), G_MAXUINT32 };
    g_assert_false(intro_ftrace_sites_count(&fixture->kernel, &n_sites, &n_calls, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT);
}

static void
assert_no_sections(Fixture *fixture, const IntroModule *module)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(intro_module_sections(&fixture->kernel, module, &error));
    g_assert_nonnull(error);
}

static void
test_sections(Fixture *fixture, gconstpointer data)
{
    const IntroModule module = { .name = (char *) "some", .module = VA(module) };
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) none = intro_module_sections(&fixture->kernel, &module, &error);
    g_autoptr(GArray) found = NULL;
    FakeData *fake = fixture->data;

    g_assert_no_error(error);
    g_assert_cmpuint(none->len, ==, 0);
    strcpy(fake->names[0], ".text");
    strcpy(fake->names[1], ".da\nta");
    fake->module = VA(sections);
    fake->sections = (FakeSections) {
        VA(pointers), 2, { { VA(names[0]), 0xffffffffc0001000 }, { VA(names[1]), 0xffffffffc0002000 } },
    };
    fake->pointers[0] = VA(sections.attrs[0]);
    fake->pointers[1] = VA(sections.attrs[1]);
    found = intro_module_sections(&fixture->kernel, &module, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(found->len, ==, 2);
    g_assert_cmpstr(g_array_index(found, IntroModuleSection, 0).name, ==, ".text");
    g_assert_cmphex(g_array_index(found, IntroModuleSection, 0).va, ==, 0xffffffffc0001000);
    g_assert_cmpstr(g_array_index(found, IntroModuleSection, 1).name, ==, ".da?ta");
    fake->sections.attrs[1].name = 0x1000;
    assert_no_sections(fixture, &module);
    fake->sections.nsections = G_MAXUINT32;
    fake->sections.bin_attrs = 0x1000;
    assert_no_sections(fixture, &module);
}

#define NEW ((gconstpointer) 1)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/generated/lists", Fixture, NULL, set_up, test_lists, tear_down);
    g_test_add("/generated/corrupt", Fixture, NULL, set_up, test_corrupt, tear_down);
    g_test_add("/generated/frames", Fixture, NULL, set_up, test_frames, tear_down);
    g_test_add("/tracers/kretprobe-table", Fixture, NULL, set_up, test_kretprobe_table, tear_down);
    g_test_add("/tracers/both", Fixture, NEW, set_up, test_both, tear_down);
    g_test_add("/ftrace-sites/count", Fixture, NULL, set_up, test_sites, tear_down);
    g_test_add("/module-sections/old", Fixture, NULL, set_up, test_sections, tear_down);
    g_test_add("/module-sections/new", Fixture, NEW, set_up, test_sections, tear_down);
    return g_test_run();
}
