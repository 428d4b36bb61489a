/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of the kernel's CPUs a vCPU is, and whether its registers are the kernel's at all. */
#include "introspect/stack-facts.h"
#include "introspect/vcpus.h"

#include "tests/introspect/fake-kernel.h"

#define BASE_0  0xffff888007c00000
#define BASE_1  0xffff888007d00000
#define GDT_0   0xfffffe0000001000
#define GDT_1   0xfffffe000003c000
#define KERNEL_CS   0x10
#define USER_CS     0x33

static IntroCpu zero = { .number = 0, .base = BASE_0, .gdt = GDT_0 };
static IntroCpu one = { .number = 1, .base = BASE_1, .gdt = GDT_1 };
static IntroCpu never_started = { .number = 2, .base = 0xffff888007e00000 };

static const IntroCpu *
find(VmmVcpu vcpu)
{
    g_autoptr(GPtrArray) cpus = g_ptr_array_new();

    g_ptr_array_add(cpus, &zero);
    g_ptr_array_add(cpus, &one);
    g_ptr_array_add(cpus, &never_started);
    return intro_vcpu_find(cpus, &vcpu);
}

static void
test_base(void)
{
    g_assert_true(find((VmmVcpu) { .cs = KERNEL_CS, .gs_base = BASE_1 }) == &one);
    g_assert_true(find((VmmVcpu) { .cs = USER_CS, .gs_base = 0, .kernel_gs_base = BASE_1 }) == &one);
    g_assert_null(find((VmmVcpu) { .cs = KERNEL_CS, .gs_base = 0x1000 }));
    g_assert_null(find((VmmVcpu) { .cs = USER_CS }));
}

/* Entry code, before it has taken its own GS and after it has given it back. */
static void
test_entry(void)
{
    g_assert_true(find((VmmVcpu) { .cs = KERNEL_CS, .gs_base = 0, .gdt_base = GDT_1 }) == &one);
    g_assert_true(find((VmmVcpu) { .cs = KERNEL_CS, .gs_base = 0, .kernel_gs_base = BASE_1 }) == &one);
}

static void
test_program_lies(void)
{
    g_assert_true(find((VmmVcpu) { .cs = USER_CS, .gs_base = BASE_0, .kernel_gs_base = BASE_1 }) == &one);
    g_assert_true(find((VmmVcpu) { .cs = USER_CS, .gs_base = BASE_0, .gdt_base = GDT_1 }) == &one);
    g_assert_null(find((VmmVcpu) { .cs = USER_CS, .gs_base = BASE_0 }));
    g_assert_true(find((VmmVcpu) { .cs = KERNEL_CS, .gs_base = BASE_1, .kernel_gs_base = BASE_0 }) == &one);
}

/* ---- Whose registers they are ---- */

#define MEMORY_BYTES (1u << 20)
#define N_ENTRIES 512

typedef struct {
    IntroKernel kernel;
    GuestPa kernel_root, program_root, guest_root;
    IntroStackFacts facts;
} Fixture;

static const IntroStackFacts *facts_of_fixture;

const IntroStackFacts *
intro_kernel_stack_facts(G_GNUC_UNUSED const IntroKernel *kernel, G_GNUC_UNUSED GError **error)
{
    return facts_of_fixture;
}

/* Not asked for here. */
const IntroCpu *
intro_stack_facts_cpu(G_GNUC_UNUSED const IntroStackFacts *facts, G_GNUC_UNUSED guint number)
{
    return NULL;
}

/* Two top tables, of which the second one is user mode's, where there is one. */
static GuestPa
add_root(const Fixture *fixture, guint64 last_entry, guint64 last_entry_of_user)
{
    GuestPa root = fake_guest_alloc(fixture->kernel.guest, 2 * FAKE_PAGE_BYTES, 2 * FAKE_PAGE_BYTES);
    guint64 *entries = (guint64 *) fake_guest_bytes(fixture->kernel.guest, root);

    entries[N_ENTRIES - 1] = GUINT64_TO_LE(last_entry);
    entries[2 * N_ENTRIES - 1] = GUINT64_TO_LE(last_entry_of_user);
    return root;
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
    guint64 table;

    fake_kernel_set_up(&fixture->kernel, MEMORY_BYTES);
    fixture->facts.last_table = fake_guest_alloc(fixture->kernel.guest, FAKE_PAGE_BYTES, FAKE_PAGE_BYTES);
    table = fixture->facts.last_table.value | FAKE_PRESENT | FAKE_WRITABLE;
    fixture->kernel_root = add_root(fixture, table, 0);
    fixture->program_root = add_root(fixture, table, (table + FAKE_PAGE_BYTES) | FAKE_USER);
    fixture->guest_root = add_root(fixture, table + 2 * FAKE_PAGE_BYTES, table);
    facts_of_fixture = &fixture->facts;
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    fake_kernel_tear_down(&fixture->kernel);
}

static gboolean
is_own(const Fixture *fixture, guint64 cr3, guint64 cr4)
{
    const VmmVcpu vcpu = { .cr0 = VMM_CR0_PG, .cr3 = cr3, .cr4 = cr4, .efer = VMM_EFER_LMA };

    return intro_vcpu_is_own(&fixture->kernel, &vcpu);
}

/* With the number of an address space, and the bit that keeps the others' translations. */
static void
test_own(Fixture *fixture, gconstpointer data)
{
    g_assert_true(is_own(fixture, fixture->kernel_root.value, 0));
    g_assert_true(is_own(fixture, fixture->program_root.value | 0x7 | 1ULL << 63, 0));
}

/* With page-table isolation, user mode has tables of its own behind them. */
static void
test_user_tables(Fixture *fixture, gconstpointer data)
{
    g_assert_true(is_own(fixture, fixture->program_root.value + FAKE_PAGE_BYTES, 0));
}

/* A host has VMX on (SVM, by EFER) while its own code runs, too, and so has what it executes as its guest, whatever that knows of it. */
static void
test_host(Fixture *fixture, gconstpointer data)
{
    const VmmVcpu svm = { .cr0 = VMM_CR0_PG, .cr3 = fixture->kernel_root.value, .efer = VMM_EFER_LMA | VMM_EFER_SVME };

    g_assert_true(is_own(fixture, fixture->kernel_root.value, VMM_CR4_VMXE));
    g_assert_true(intro_vcpu_is_own(&fixture->kernel, &svm));
    g_assert_false(is_own(fixture, fixture->guest_root.value, VMM_CR4_VMXE));
}

/* With EPT, CR3 is an address of the guest's guest's: what lies there in the guest is anything, or nothing. */
static void
test_nested(Fixture *fixture, gconstpointer data)
{
    g_assert_false(is_own(fixture, fixture->guest_root.value, 0));
    g_assert_false(is_own(fixture, fixture->facts.last_table.value, VMM_CR4_VMXE));
    g_assert_false(is_own(fixture, MEMORY_BYTES, VMM_CR4_VMXE));
    g_assert_false(is_own(fixture, MEMORY_BYTES + FAKE_PAGE_BYTES, VMM_CR4_VMXE));
    g_assert_false(is_own(fixture, 0x000ffffffffff000, VMM_CR4_VMXE | VMM_CR4_LA57));
}

/* An entry that is not present leads nowhere, whatever address it has. */
static void
test_not_present(Fixture *fixture, gconstpointer data)
{
    GuestPa root = add_root(fixture, fixture->facts.last_table.value, 0);

    g_assert_false(is_own(fixture, root.value, 0));
}

/* What has no paging, or that of 32 bits. */
static void
test_other_modes(Fixture *fixture, gconstpointer data)
{
    const VmmVcpu real = { .cr3 = fixture->kernel_root.value, .cr4 = VMM_CR4_VMXE },
        protected = { .cr0 = VMM_CR0_PG, .cr3 = fixture->kernel_root.value, .cr4 = VMM_CR4_VMXE };

    g_assert_false(intro_vcpu_is_own(&fixture->kernel, &real));
    g_assert_false(intro_vcpu_is_own(&fixture->kernel, &protected));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vcpus/the per-CPU base tells which CPU a vCPU is", test_base);
    g_test_add_func("/vcpus/so does its GDT while entry code has the program's GS", test_entry);
    g_test_add_func("/vcpus/a program that puts another CPU's base into its GS is not believed", test_program_lies);
#define ADD(name, test) g_test_add("/vcpus/own/" name, Fixture, NULL, set_up, test, tear_down)
    ADD("the kernel's, and a program's", test_own);
    ADD("a program's with page-table isolation", test_user_tables);
    ADD("a host's, with VMX or SVM", test_host);
    ADD("those of a guest of the guest's", test_nested);
    ADD("tables that lead nowhere", test_not_present);
    ADD("other modes", test_other_modes);
    return g_test_run();
}
