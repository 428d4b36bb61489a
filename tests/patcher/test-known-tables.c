/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <elf.h>
#include <string.h>

#include "patcher/error.h"
#include "patcher/known-tables.h"

#define VA 0xffffffffff800000
#define OFFSET 500
#define TEXT_A (VA + 64)
#define TEXT_B (VA + 128)
#define DATA 0xffffffff82000000
#define UNWIND_BYTES 6

static const GuestVa vas[] = { TEXT_A, DATA, TEXT_B };

/* Two functions, the second right behind the first, and a datum between them in the update. */
static PatchObject *
sample_new(void)
{
    PatchObject *object = patch_object_new();

    patch_object_add_piece(object, "first", PATCH_PIECE_TEXT, 16, 64);
    patch_object_add_piece(object, "datum", PATCH_PIECE_DATA, 8, 8);
    patch_object_add_piece(object, "second", PATCH_PIECE_TEXT, 16, 32);
    object->unwind_bytes = UNWIND_BYTES;
    g_array_append_val(object->unwinds, ((PatchUnwind) { 0, 0, 0x111111111111 }));
    g_array_append_val(object->unwinds, ((PatchUnwind) { 0, 40, 0x222222222222 }));
    g_array_append_val(object->unwinds, ((PatchUnwind) { 2, 0, 0x333333333333 }));
    g_array_append_val(object->exceptions, ((PatchException) { 2, 4, 0, 50, -1, 7 }));
    g_array_append_val(object->exceptions, ((PatchException) { 0, 8, 2, 30, -1, 9 }));
    return object;
}

typedef struct {
    PatchObject *object;
    PatchKnownTables tables;
    guint8 *block;
} Fixture;

static void
fixture_set_up(Fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GArray) code = g_array_new(FALSE, FALSE, sizeof(PatchKnownCode));
    g_autoptr(GError) error = NULL;
    PatchKnownCode part;

    fixture->object = sample_new();
    part = (PatchKnownCode) { fixture->object, NULL, vas };
    g_array_append_val(code, part);
    g_assert_true(patch_known_tables_lay_out(&fixture->tables, code, OFFSET, UNWIND_BYTES, &error));
    g_assert_no_error(error);
    fixture->block = g_malloc(fixture->tables.end + 1);
    memset(fixture->block, 0xaa, fixture->tables.end + 1);
    g_assert_true(patch_known_tables_fill(&fixture->tables, code, VA, fixture->block, &error));
    g_assert_no_error(error);
}

static void
fixture_tear_down(Fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    patch_object_free(fixture->object);
    g_free(fixture->block);
}

/* What the word at OFFSET, which counts from its own place, refers to. */
static GuestVa
target(const Fixture *fixture, guint64 offset)
{
    gint32 distance;

    memcpy(&distance, fixture->block + offset, sizeof distance);
    return VA + offset + distance;
}

static void
test_bounds(Fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_assert_cmpuint(fixture->tables.symbols, >=, OFFSET);
    g_assert_cmpuint(fixture->tables.symbols % 8, ==, 0);
    for (guint64 i = 0; i < OFFSET; i++)
        g_assert_cmphex(fixture->block[i], ==, 0xaa);
    g_assert_cmphex(fixture->block[fixture->tables.end], ==, 0xaa);
    g_assert_cmphex(fixture->block[fixture->tables.end - 1], ==, 0);
}

static void
test_symbols(Fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    static const struct { const char *name; GuestVa va; } expected[] = {
        { "", 0 }, { "first.vlp", TEXT_A }, { "second.vlp", TEXT_B },
    };

    g_assert_cmpuint(fixture->tables.n_symbols, ==, G_N_ELEMENTS(expected));
    for (guint i = 0; i < fixture->tables.n_symbols; i++) {
        Elf64_Sym symbol;

        memcpy(&symbol, fixture->block + fixture->tables.symbols + i * sizeof symbol, sizeof symbol);
        g_assert_cmpstr((const char *) fixture->block + fixture->tables.names + symbol.st_name, ==, expected[i].name);
        g_assert_cmphex(symbol.st_value, ==, expected[i].va);
        g_assert_true((symbol.st_shndx == SHN_UNDEF) == (i == 0));
    }
}

/* In the kernel's order, each as its own place says. */
static void
test_exceptions(Fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    guint64 first = fixture->tables.exceptions, second = first + 12;

    g_assert_cmpuint(fixture->tables.n_exceptions, ==, 2);
    g_assert_cmphex(target(fixture, first), ==, TEXT_A + 8);
    g_assert_cmphex(target(fixture, first + 4), ==, TEXT_B + 30);
    g_assert_cmpuint(fixture->block[first + 8], ==, 9);
    g_assert_cmphex(target(fixture, second), ==, TEXT_B + 4);
    g_assert_cmphex(target(fixture, second + 4), ==, TEXT_A + 50);
    g_assert_cmpuint(fixture->block[second + 8], ==, 7);
}

/* The entry that the kernel would use at IP: the last one that begins there or before. */
static guint64
unwind_at(const Fixture *fixture, GuestVa ip)
{
    guint64 entry = 0;

    for (guint i = 0; i < fixture->tables.n_unwinds; i++)
        if (target(fixture, fixture->tables.unwind_ips + i * 4) <= ip)
            memcpy(&entry, fixture->block + fixture->tables.unwinds + i * UNWIND_BYTES, UNWIND_BYTES);
    return entry;
}

static void
test_unwinds(Fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    GuestVa last = 0;

    for (guint i = 0; i < fixture->tables.n_unwinds; i++) {
        GuestVa ip = target(fixture, fixture->tables.unwind_ips + i * 4);

        g_assert_cmphex(ip, >=, last);
        last = ip;
    }
    g_assert_cmphex(unwind_at(fixture, VA + 8), ==, 0);
    g_assert_cmphex(unwind_at(fixture, TEXT_A), ==, 0x111111111111);
    g_assert_cmphex(unwind_at(fixture, TEXT_A + 39), ==, 0x111111111111);
    g_assert_cmphex(unwind_at(fixture, TEXT_A + 63), ==, 0x222222222222);
    g_assert_cmphex(unwind_at(fixture, TEXT_B), ==, 0x333333333333);
    g_assert_cmphex(unwind_at(fixture, TEXT_B + 31), ==, 0x333333333333);
    g_assert_cmphex(unwind_at(fixture, TEXT_B + 32), ==, 0);
}

/* Unwind data of another kernel are not given to this one. */
static void
test_other_kernel(Fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GArray) code = g_array_new(FALSE, FALSE, sizeof(PatchKnownCode));
    g_autoptr(GError) error = NULL;
    PatchKnownCode part = { fixture->object, NULL, vas };
    PatchKnownTables tables;

    g_array_append_val(code, part);
    g_assert_false(patch_known_tables_lay_out(&tables, code, OFFSET, UNWIND_BYTES + 2, &error));
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/known-tables/bounds", Fixture, NULL, fixture_set_up, test_bounds, fixture_tear_down);
    g_test_add("/known-tables/symbols", Fixture, NULL, fixture_set_up, test_symbols, fixture_tear_down);
    g_test_add("/known-tables/exceptions", Fixture, NULL, fixture_set_up, test_exceptions, fixture_tear_down);
    g_test_add("/known-tables/unwinds", Fixture, NULL, fixture_set_up, test_unwinds, fixture_tear_down);
    g_test_add("/known-tables/other-kernel", Fixture, NULL, fixture_set_up, test_other_kernel, fixture_tear_down);
    return g_test_run();
}
