/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "introspect/space.h"
#include "tests/fake-guest.h"

#define MEMORY_BYTES (8U << 20)
#define KERNEL_VA 0xffffffff81000000ULL
#define GIB (1ULL << 30)
#define MIB (1ULL << 20)

static IntroSpace *
space_of(FakeGuest *guest)
{
    return intro_space_new(fake_guest_reader(guest), fake_guest_root(guest),
                           (fake_guest_vcpu(guest)->cr4 & VMM_CR4_LA57) != 0);
}

/* Pages of all sizes, with the permissions of every level. */
static void
test_translate(gconstpointer five_levels)
{
    g_autoptr(FakeGuest) guest = fake_guest_new(MEMORY_BYTES, GPOINTER_TO_INT(five_levels));
    g_autoptr(IntroSpace) space = space_of(guest);
    g_autoptr(GError) error = NULL;
    IntroMapping mapping;

    fake_guest_map(guest, KERNEL_VA, guest_pa(0x5000), 1, FAKE_WRITABLE | FAKE_NO_EXEC);
    fake_guest_map(guest, KERNEL_VA + 2 * MIB, guest_pa(4 * MIB), 2, FAKE_USER);
    fake_guest_map(guest, 0xffff888000000000, guest_pa(0), 3, FAKE_WRITABLE);

    g_assert_true(intro_space_translate(space, KERNEL_VA + 0x123, &mapping, &error));
    g_assert_no_error(error);
    g_assert_cmphex(mapping.va, ==, KERNEL_VA + 0x123);
    g_assert_cmphex(mapping.pa.value, ==, 0x5123);
    g_assert_cmphex(mapping.length, ==, 0x1000 - 0x123);
    g_assert_true(mapping.writable && !mapping.executable && !mapping.user);

    g_assert_true(intro_space_translate(space, KERNEL_VA + 2 * MIB + 0x12345, &mapping, &error));
    g_assert_cmphex(mapping.pa.value, ==, 4 * MIB + 0x12345);
    g_assert_cmphex(mapping.length, ==, 2 * MIB - 0x12345);
    g_assert_true(!mapping.writable && mapping.executable && mapping.user);

    g_assert_true(intro_space_translate(space, 0xffff888000000000 + 0x654321, &mapping, &error));
    g_assert_cmphex(mapping.pa.value, ==, 0x654321);
    g_assert_cmphex(mapping.length, ==, GIB - 0x654321);

    /* What an upper level forbids, no lower one allows. */
    *fake_guest_entry(guest, KERNEL_VA, 3) &= ~FAKE_WRITABLE;
    *fake_guest_entry(guest, KERNEL_VA + 2 * MIB, 3) |= FAKE_NO_EXEC;
    g_assert_true(intro_space_translate(space, KERNEL_VA, &mapping, &error));
    g_assert_false(mapping.writable);
    g_assert_true(intro_space_translate(space, KERNEL_VA + 2 * MIB, &mapping, &error));
    g_assert_false(mapping.executable);
}

static void
count_read(G_GNUC_UNUSED FakeGuest *guest, gpointer data)
{
    ++*(guint *) data;
}

/* What is held is read once, as it was then; and what was used the last time, in one read when it is held again. */
static void
test_hold(gconstpointer five_levels)
{
    g_autoptr(FakeGuest) guest = fake_guest_new(MEMORY_BYTES, GPOINTER_TO_INT(five_levels));
    g_autoptr(IntroSpace) space = space_of(guest);
    guint n_reads = 0;
    IntroMapping mapping;

    fake_guest_map(guest, KERNEL_VA, guest_pa(0x5000), 1, FAKE_WRITABLE);
    intro_space_hold(space);
    g_assert_true(intro_space_translate(space, KERNEL_VA, &mapping, NULL));
    fake_guest_map(guest, KERNEL_VA, guest_pa(0x6000), 1, FAKE_WRITABLE);
    g_assert_true(intro_space_translate(space, KERNEL_VA, &mapping, NULL));
    g_assert_cmphex(mapping.pa.value, ==, 0x5000);
    intro_space_release(space);

    fake_guest_act_after(guest, 1, count_read, &n_reads);
    intro_space_hold(space);
    g_assert_cmpuint(n_reads, ==, 1);
    fake_guest_act_after(guest, 1, count_read, &n_reads);
    g_assert_true(intro_space_translate(space, KERNEL_VA, &mapping, NULL));
    g_assert_cmpuint(n_reads, ==, 1);
    g_assert_cmphex(mapping.pa.value, ==, 0x6000);
    intro_space_release(space);
}

static void
test_not_mapped(gconstpointer five_levels)
{
    g_autoptr(FakeGuest) guest = fake_guest_new(MEMORY_BYTES, GPOINTER_TO_INT(five_levels));
    g_autoptr(IntroSpace) space = space_of(guest);
    GuestVa nowhere[] = {
        0, KERNEL_VA + FAKE_PAGE_BYTES, KERNEL_VA - 1, KERNEL_VA & (5 * GIB), G_MAXUINT64, 0x8000000000000000,
    };

    fake_guest_map(guest, KERNEL_VA, guest_pa(0x5000), 1, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(nowhere); i++) {
        g_autoptr(GError) error = NULL;
        IntroMapping mapping;
        guint8 byte;

        g_assert_false(intro_space_translate(space, nowhere[i], &mapping, &error));
        g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_MAPPED);
        g_clear_error(&error);
        g_assert_false(intro_space_read(space, nowhere[i], &byte, 1, &error));
        g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_MAPPED);
    }
}

/* The upper bits of an address have to be copies of the highest one that is translated. */
static void
test_not_canonical(void)
{
    g_autoptr(FakeGuest) guest = fake_guest_new(MEMORY_BYTES, FALSE);
    g_autoptr(IntroSpace) space = space_of(guest);
    g_autoptr(GError) error = NULL;
    IntroMapping mapping;

    fake_guest_map(guest, KERNEL_VA, guest_pa(0x5000), 1, 0);
    g_assert_true(intro_space_translate(space, KERNEL_VA, &mapping, &error));
    g_assert_false(intro_space_translate(space, KERNEL_VA & 0x0000ffffffffffff, &mapping, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_MAPPED);
}

static void
test_read_across_pages(void)
{
    g_autoptr(FakeGuest) guest = fake_guest_new(MEMORY_BYTES, FALSE);
    g_autoptr(IntroSpace) space = space_of(guest);
    g_autoptr(GError) error = NULL;
    guint8 written[3 * FAKE_PAGE_BYTES], got[sizeof written];
    GuestPa last = fake_guest_alloc(guest, FAKE_PAGE_BYTES, FAKE_PAGE_BYTES);
    IntroExtent extents[] = {
        { KERNEL_VA + 5000, got, 4000 }, { KERNEL_VA + 100, got + 4000, 8000 }, { KERNEL_VA, got, 0 },
    };
    guint32 u32;
    guint64 u64;

    for (gsize i = 0; i < sizeof written; i++)
        written[i] = (guint8) (i * 7 + i / 256);
    /* Pages that follow each other only in the address space. */
    fake_guest_place(guest, KERNEL_VA, written, 2 * FAKE_PAGE_BYTES, 0);
    fake_guest_map(guest, KERNEL_VA + 2 * FAKE_PAGE_BYTES, last, 1, 0);
    memcpy(fake_guest_bytes(guest, last), written + 2 * FAKE_PAGE_BYTES, FAKE_PAGE_BYTES);

    g_assert_true(intro_space_read(space, KERNEL_VA, got, sizeof got, &error));
    g_assert_cmpmem(got, sizeof got, written, sizeof written);
    g_assert_true(intro_space_read_extents(space, extents, G_N_ELEMENTS(extents), &error));
    g_assert_cmpmem(got, 4000, written + 5000, 4000);
    g_assert_cmpmem(got + 4000, 8000, written + 100, 8000);
    g_assert_true(intro_space_read_u32(space, KERNEL_VA + FAKE_PAGE_BYTES - 2, &u32, &error));
    g_assert_cmpmem(&u32, 4, written + FAKE_PAGE_BYTES - 2, 4);
    g_assert_true(intro_space_read_u64(space, KERNEL_VA + 2 * FAKE_PAGE_BYTES - 3, &u64, &error));
    g_assert_cmpmem(&u64, 8, written + 2 * FAKE_PAGE_BYTES - 3, 8);

    g_assert_false(intro_space_read(space, KERNEL_VA + 1, got, sizeof got, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_MAPPED);
}

static void
test_strings(void)
{
    g_autoptr(FakeGuest) guest = fake_guest_new(MEMORY_BYTES, FALSE);
    g_autoptr(IntroSpace) space = space_of(guest);
    g_autoptr(GError) error = NULL;
    GuestVa at_end = KERNEL_VA + FAKE_PAGE_BYTES - sizeof "swapper";
    g_autofree char *string = NULL, *none = NULL;

    fake_guest_place(guest, at_end, "swapper", sizeof "swapper", 0);
    string = intro_space_read_string(space, at_end, 4096, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(string, ==, "swapper");
    none = intro_space_read_string(space, at_end, 7, &error);
    g_assert_null(none);
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT);
    g_clear_error(&error);
    /* It does not end where the memory ends. */
    fake_guest_place(guest, KERNEL_VA + FAKE_PAGE_BYTES - 1, "x", 1, 0);
    none = intro_space_read_string(space, KERNEL_VA + FAKE_PAGE_BYTES - 1, 4096, &error);
    g_assert_null(none);
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_MAPPED);
}

/* Adjacent pages are joined when memory and permissions go on, whatever the size of the pages. */
static void
test_runs(void)
{
    g_autoptr(FakeGuest) guest = fake_guest_new(MEMORY_BYTES, FALSE);
    g_autoptr(IntroSpace) space = space_of(guest);
    g_autoptr(GError) error = NULL;
    GuestVa va = 0xffffffff80000000, end = 0xffffffffc0000000;
    const IntroMapping expected[] = {
        { KERNEL_VA, guest_pa(2 * MIB), 2 * MIB + 2 * FAKE_PAGE_BYTES, FALSE, TRUE, FALSE },
        { KERNEL_VA + 2 * MIB + 2 * FAKE_PAGE_BYTES, guest_pa(4 * MIB + 2 * FAKE_PAGE_BYTES), FAKE_PAGE_BYTES,
          TRUE, FALSE, FALSE },
        { KERNEL_VA + 2 * MIB + 3 * FAKE_PAGE_BYTES, guest_pa(0x7000), FAKE_PAGE_BYTES, TRUE, FALSE, FALSE },
        { end - 2 * MIB, guest_pa(0), 2 * MIB, TRUE, TRUE, TRUE },
    };
    IntroMapping run;

    fake_guest_map(guest, KERNEL_VA, guest_pa(2 * MIB), 2, 0);
    for (gsize i = 0; i < 3; i++)
        fake_guest_map(guest, KERNEL_VA + 2 * MIB + i * FAKE_PAGE_BYTES, guest_pa(4 * MIB + i * FAKE_PAGE_BYTES), 1,
                       i < 2 ? 0 : FAKE_WRITABLE | FAKE_NO_EXEC);
    fake_guest_map(guest, expected[2].va, guest_pa(0x7000), 1, FAKE_WRITABLE | FAKE_NO_EXEC);
    fake_guest_map(guest, end - 2 * MIB, guest_pa(0), 2, FAKE_WRITABLE | FAKE_USER);

    for (gsize i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_assert_true(intro_space_next_mapping(space, &va, end, &run, &error));
        g_assert_no_error(error);
        g_assert_cmphex(run.va, ==, expected[i].va);
        g_assert_cmphex(run.pa.value, ==, expected[i].pa.value);
        g_assert_cmphex(run.length, ==, expected[i].length);
        g_assert_cmpint(run.writable, ==, expected[i].writable);
        g_assert_cmpint(run.executable, ==, expected[i].executable);
        g_assert_cmpint(run.user, ==, expected[i].user);
        g_assert_cmphex(va, ==, run.va + run.length);
    }
    g_assert_false(intro_space_next_mapping(space, &va, end, &run, &error));
    g_assert_no_error(error);

    /* From the middle of a page to the middle of a page. */
    va = KERNEL_VA + 0x1234;
    g_assert_true(intro_space_next_mapping(space, &va, KERNEL_VA + 0x2345, &run, &error));
    g_assert_cmphex(run.va, ==, KERNEL_VA + 0x1234);
    g_assert_cmphex(run.pa.value, ==, 2 * MIB + 0x1234);
    g_assert_cmphex(run.length, ==, 0x1111);
    g_assert_false(intro_space_next_mapping(space, &va, KERNEL_VA + 0x2345, &run, &error));
    g_assert_no_error(error);
}

/* Tables that are their own entries make an endless address space out of one page; walks end all the same. */
static void
test_tables_that_map_themselves(void)
{
    g_autoptr(FakeGuest) guest = fake_guest_new(MEMORY_BYTES, TRUE);
    g_autoptr(IntroSpace) space = space_of(guest);
    g_autoptr(GError) error = NULL;
    guint64 *table = (guint64 *) (gpointer) fake_guest_bytes(guest, fake_guest_root(guest));
    GuestVa va = 0xffffffff80000000, end = 0xffffffffc0000000;
    IntroMapping mapping;
    guint n_runs = 0;

    for (guint i = 0; i < 512; i++)
        table[i] = fake_guest_root(guest).value | FAKE_PRESENT;
    g_assert_true(intro_space_translate(space, KERNEL_VA, &mapping, &error));
    g_assert_cmphex(mapping.pa.value, ==, fake_guest_root(guest).value);
    /* Every page is the same one, so no two can be joined. */
    for (; n_runs < 2000 && intro_space_next_mapping(space, &va, end, &mapping, &error); n_runs++)
        g_assert_cmphex(mapping.length, ==, FAKE_PAGE_BYTES);
    g_assert_no_error(error);
    g_assert_cmpuint(n_runs, ==, 2000);
    /* And nothing at all, in a range that is walked to its end. */
    for (guint i = 0; i < 512; i++)
        table[i] = i % 2 == 0 ? table[i] : 0;
    va = 0xffffffff80000000;
    while (intro_space_next_mapping(space, &va, va + (64 << 20), &mapping, &error))
        g_assert_cmphex(mapping.length, ==, FAKE_PAGE_BYTES);
    g_assert_no_error(error);
}

static void
test_tables_out_of_memory(void)
{
    g_autoptr(FakeGuest) guest = fake_guest_new(MEMORY_BYTES, FALSE);
    g_autoptr(IntroSpace) space = space_of(guest);
    g_autoptr(GError) error = NULL;
    GuestVa va = KERNEL_VA;
    IntroMapping mapping;
    guint64 u64;

    *fake_guest_entry(guest, KERNEL_VA, 2) = 0x000ffffffffff000ULL | FAKE_PRESENT;
    g_assert_false(intro_space_translate(space, KERNEL_VA, &mapping, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT);
    g_clear_error(&error);
    g_assert_false(intro_space_next_mapping(space, &va, KERNEL_VA + MIB, &mapping, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT);
    g_clear_error(&error);
    g_assert_false(intro_space_read_u64(space, KERNEL_VA, &u64, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT);
    g_clear_error(&error);
    /* The same for the page itself. */
    fake_guest_map(guest, KERNEL_VA + 2 * MIB, guest_pa(MEMORY_BYTES), 1, 0);
    g_assert_false(intro_space_read_u64(space, KERNEL_VA + 2 * MIB, &u64, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/space/translate/4", GINT_TO_POINTER(FALSE), test_translate);
    g_test_add_data_func("/space/translate/5", GINT_TO_POINTER(TRUE), test_translate);
    g_test_add_data_func("/space/hold/4", GINT_TO_POINTER(FALSE), test_hold);
    g_test_add_data_func("/space/hold/5", GINT_TO_POINTER(TRUE), test_hold);
    g_test_add_data_func("/space/not-mapped/4", GINT_TO_POINTER(FALSE), test_not_mapped);
    g_test_add_data_func("/space/not-mapped/5", GINT_TO_POINTER(TRUE), test_not_mapped);
    g_test_add_func("/space/not-canonical", test_not_canonical);
    g_test_add_func("/space/read-across-pages", test_read_across_pages);
    g_test_add_func("/space/strings", test_strings);
    g_test_add_func("/space/runs", test_runs);
    g_test_add_func("/space/tables-that-map-themselves", test_tables_that_map_themselves);
    g_test_add_func("/space/tables-out-of-memory", test_tables_out_of_memory);
    return g_test_run();
}
