/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "introspect/identity.h"
#include "introspect/locate.h"
#include "tests/fake-guest.h"

#define MEMORY_BYTES (16U << 20)
#define TEXT_VA      0xffffffff9ae00000ULL
#define MIB          (1ULL << 20)

/* Text, read-only data with a hole that was given back, and data in two parts. */
static FakeGuest *
make_guest(gboolean five_levels)
{
    FakeGuest *guest = fake_guest_new(MEMORY_BYTES, five_levels);

    fake_guest_map(guest, TEXT_VA, guest_pa(4 * MIB), 2, 0);
    fake_guest_map(guest, TEXT_VA + 2 * MIB, guest_pa(6 * MIB), 1, FAKE_NO_EXEC);
    fake_guest_map(guest, TEXT_VA + 4 * MIB, guest_pa(8 * MIB), 2, FAKE_NO_EXEC | FAKE_WRITABLE);
    fake_guest_map(guest, TEXT_VA + 8 * MIB, guest_pa(10 * MIB), 2, FAKE_NO_EXEC | FAKE_WRITABLE);
    /* Not the image's: modules begin 1 GiB above the area's start. */
    fake_guest_map(guest, 0xffffffffc0000000, guest_pa(0), 1, 0);
    return guest;
}

static void
check_image(FakeGuest *guest, gboolean five_levels)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(IntroImage) image = intro_image_locate(fake_guest_reader(guest), &error);
    GuestPa pa;

    g_assert_no_error(error);
    g_assert_cmphex(image->start, ==, TEXT_VA);
    g_assert_cmpint(image->five_levels, ==, five_levels);
    g_assert_cmpuint(image->runs->len, ==, 4);
    g_assert_true(intro_image_translate(image, TEXT_VA + 4 * MIB + 0x123, 8, &pa, &error));
    g_assert_cmphex(pa.value, ==, 8 * MIB + 0x123);
    g_assert_false(intro_image_translate(image, TEXT_VA + 3 * MIB, 8, &pa, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_MAPPED);
    g_clear_error(&error);
    g_assert_false(intro_image_translate(image, TEXT_VA + 2 * MIB - 4, 8, &pa, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_MAPPED);
}

static void
test_found(gconstpointer data)
{
    gboolean five_levels = GPOINTER_TO_INT(data);
    g_autoptr(FakeGuest) guest = make_guest(five_levels);

    check_image(guest, five_levels);
    /* Process-context identifiers lie in the lowest bits. */
    fake_guest_vcpu(guest)->cr3 |= 0xabc;
    check_image(guest, five_levels);
}

/* A vCPU in user mode uses the table behind the kernel's, in which only entry code is mapped. */
static void
test_user_half(void)
{
    g_autoptr(FakeGuest) guest = make_guest(FALSE);
    GuestPa pair = fake_guest_alloc(guest, 2 * FAKE_PAGE_BYTES, 2 * FAKE_PAGE_BYTES);
    guint64 *kernel_half = (guint64 *) (gpointer) fake_guest_bytes(guest, pair);
    guint64 *user_half = kernel_half + 512;
    GuestPa tables = fake_guest_alloc(guest, 2 * FAKE_PAGE_BYTES, FAKE_PAGE_BYTES);
    guint64 *upper = (guint64 *) (gpointer) fake_guest_bytes(guest, tables), *middle = upper + 512;

    kernel_half[511] = ((guint64 *) (gpointer) fake_guest_bytes(guest, fake_guest_root(guest)))[511];
    user_half[511] = tables.value | FAKE_PRESENT;
    upper[510] = guest_pa_add(tables, FAKE_PAGE_BYTES).value | FAKE_PRESENT;
    middle[(TEXT_VA >> 21) % 512] = 4 * MIB | FAKE_PRESENT | FAKE_LARGE;
    fake_guest_vcpu(guest)->cr3 = pair.value | 1 << 12 | 0x801;
    check_image(guest, FALSE);
}

static void
check_refused(FakeGuest *guest, IntroError code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(intro_image_locate(fake_guest_reader(guest), &error));
    g_assert_error(error, INTRO_ERROR, (gint) code);
}

static void
test_no_kernel(void)
{
    g_autoptr(FakeGuest) guest = make_guest(FALSE);
    g_autoptr(FakeGuest) empty = fake_guest_new(MEMORY_BYTES, FALSE);
    VmmVcpu good = *fake_guest_vcpu(guest);

    check_refused(empty, INTRO_ERROR_NO_KERNEL);
    fake_guest_vcpu(guest)->cr0 = 0;
    check_refused(guest, INTRO_ERROR_NO_KERNEL);
    *fake_guest_vcpu(guest) = good;
    fake_guest_vcpu(guest)->efer = 0;
    check_refused(guest, INTRO_ERROR_NO_KERNEL);
    *fake_guest_vcpu(guest) = good;
    /* Page tables of nothing but lies. */
    fake_guest_vcpu(guest)->cr3 = 4 * MIB;
    for (gsize i = 0; i < FAKE_PAGE_BYTES; i++)
        *fake_guest_bytes(guest, guest_pa(4 * MIB + i)) = (guint8) (i * 37 | 1);
    check_refused(guest, INTRO_ERROR_NO_KERNEL);
    fake_guest_vcpu(guest)->cr3 = MEMORY_BYTES;
    check_refused(guest, INTRO_ERROR_NO_KERNEL);
}

static void
clear_root(FakeGuest *guest, gpointer data)
{
    memset(fake_guest_bytes(guest, fake_guest_root(guest)), 0, FAKE_PAGE_BYTES);
}

/* The process whose page tables are looked at may end at any moment, and what was seen until then is no image. */
static void
test_tables_go_away(void)
{
    gboolean always_found = FALSE;

    for (guint n_reads = 1; !always_found; n_reads++) {
        g_autoptr(FakeGuest) guest = make_guest(FALSE);
        g_autoptr(GError) error = NULL;
        g_autoptr(IntroImage) image = NULL;

        fake_guest_act_after(guest, n_reads, clear_root, NULL);
        image = intro_image_locate(fake_guest_reader(guest), &error);
        if (image != NULL)
            g_assert_cmpuint(image->runs->len, ==, 4);
        else
            g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NO_KERNEL);
        always_found = image != NULL;
        g_assert_cmpuint(n_reads, <, 10000);
    }
}

static void
test_encrypted(void)
{
    g_autoptr(FakeGuest) guest = make_guest(FALSE);

    fake_guest_vcpu(guest)->cr3 |= 1ULL << 51;
    check_refused(guest, INTRO_ERROR_UNSUPPORTED);
    fake_guest_vcpu(guest)->cr3 &= ~(1ULL << 51);
    *fake_guest_entry(guest, TEXT_VA, 4) |= 1ULL << 47;
    check_refused(guest, INTRO_ERROR_UNSUPPORTED);
}

static void
test_build_id(void)
{
    static const guint8 notes[] = {
        6, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 'L', 'i', 'n', 'u', 'x', 0, 0, 0, 0, 0, 0, 0,
        4, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0, 0xde, 0xad, 0xbe, 0xef, 0x07, 0, 0, 0,
    };
    g_autofree char *build_id = intro_identity_find_build_id(notes, sizeof notes);

    g_assert_cmpstr(build_id, ==, "deadbeef07");
    for (gsize length = 0; length < 45; length++)
        g_assert_null(intro_identity_find_build_id(notes, length));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/locate/found/4", GINT_TO_POINTER(FALSE), test_found);
    g_test_add_data_func("/locate/found/5", GINT_TO_POINTER(TRUE), test_found);
    g_test_add_func("/locate/user-half", test_user_half);
    g_test_add_func("/locate/no-kernel", test_no_kernel);
    g_test_add_func("/locate/tables-go-away", test_tables_go_away);
    g_test_add_func("/locate/encrypted", test_encrypted);
    g_test_add_func("/identity/build-id", test_build_id);
    return g_test_run();
}
