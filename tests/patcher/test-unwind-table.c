/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unwind data of objects, as objtool puts them there.
 */
#include "config.h"

#include <glib/gstdio.h>

#include "patcher/error.h"
#include "patcher/unwind-table.h"
#include "tests/patcher/diff-cases.h"

#define CODE \
    "#define in(name) __attribute__((section(name)))\n" \
    "in(\".text.x\") int x(void) { return 1; } in(\".text.y\") int y(void) { return 2; }\n"
#define PLACES(lines) "asm(\".pushsection .orc_unwind_ip, \\\"a\\\"\\n" lines "\\n.popsection\");\n"
#define ENTRIES(lines) "asm(\".pushsection .orc_unwind, \\\"a\\\"\\n" lines "\\n.popsection\");\n"

static PatchElf *
compile(const char *source)
{
    g_autofree char *folder = g_dir_make_tmp("unwind-XXXXXX", NULL);
    PatchElf *elf = diff_case_compile(folder, "gcc", "new", source);

    g_assert_cmpint(g_rmdir(folder), ==, 0);
    return elf;
}

static guint64
entry_at(const GArray *places, guint32 section, guint64 offset)
{
    return g_array_index(places, PatchUnwindPlace, patch_unwind_table_at(places, section, offset)).entry;
}

/* Sorted, whatever their order; each is in force up to the next of its section. */
static void
test_places(void)
{
    g_autoptr(PatchElf) elf = compile(CODE PLACES(".long y - ., x + 4 - ., x + 1 - .") ENTRIES(".short 3, 0, 0, 2, 0, 0, 1, 0, 0"));
    guint32 x = patch_elf_find_section(elf, ".text.x", 0), y = patch_elf_find_section(elf, ".text.y", 0);
    g_autoptr(GError) error = NULL;
    guint8 entry_bytes;
    g_autoptr(GArray) places = patch_unwind_table_read(elf, &entry_bytes, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(entry_bytes, ==, 6);
    g_assert_cmpuint(places->len, ==, 3);
    g_assert_cmpuint(x, <, y);
    g_assert_cmpuint(entry_at(places, x, 0), ==, 1);
    g_assert_cmpuint(entry_at(places, x, 1), ==, 1);
    g_assert_cmpuint(entry_at(places, x, 3), ==, 1);
    g_assert_cmpuint(entry_at(places, x, 4), ==, 2);
    g_assert_cmpuint(entry_at(places, x, 100), ==, 2);
    g_assert_cmpuint(entry_at(places, y, 0), ==, 3);
    g_assert_cmpuint(patch_unwind_table_at(places, y + 1, 0), ==, 3);
}

static void
test_none(gconstpointer source)
{
    g_autoptr(PatchElf) elf = compile(source);
    g_autoptr(GError) error = NULL;
    guint8 entry_bytes = 1;
    g_autoptr(GArray) places = patch_unwind_table_read(elf, &entry_bytes, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(places->len, ==, 0);
    g_assert_cmpuint(entry_bytes, ==, 0);
}

static void
test_refused(gconstpointer source)
{
    g_autoptr(PatchElf) elf = compile(source);
    g_autoptr(GError) error = NULL;
    guint8 entry_bytes;

    g_assert_null(patch_unwind_table_read(elf, &entry_bytes, &error));
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_FAILED);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/unwind-table/places", test_places);
    g_test_add_data_func("/unwind-table/none", CODE, test_none);
    g_test_add_data_func("/unwind-table/empty", CODE PLACES("") ENTRIES(""), test_none);
    g_test_add_data_func("/unwind-table/places-only", CODE PLACES(".long x - ."), test_none);
    g_test_add_data_func("/unwind-table/no-reference", CODE PLACES(".long 1") ENTRIES(".short 1, 0, 0"), test_refused);
    g_test_add_data_func("/unwind-table/too-few-references", CODE PLACES(".long x - ., 1") ENTRIES(".short 1, 0, 0, 1, 0, 0"),
                         test_refused);
    g_test_add_data_func("/unwind-table/references-elsewhere", CODE PLACES(".short 0\\n.long x - .\\n.short 0")
                         ENTRIES(".short 1, 0, 0, 1, 0, 0"), test_refused);
    g_test_add_data_func("/unwind-table/misplaced-reference", CODE PLACES("9: .long 0, 0\\n.reloc 9b, R_X86_64_PC32, x\\n"
                         ".reloc 9b + 2, R_X86_64_PC32, x") ENTRIES(".short 1, 0, 0, 1, 0, 0"), test_refused);
    g_test_add_data_func("/unwind-table/part-of-a-place", CODE PLACES(".long x - .\\n.short 0") ENTRIES(".short 1, 0, 0"),
                         test_refused);
    g_test_add_data_func("/unwind-table/of-another-file", CODE PLACES(".long z - .") ENTRIES(".short 1, 0, 0"), test_refused);
    g_test_add_data_func("/unwind-table/uneven-entries", CODE PLACES(".long x - ., y - .")
                         ENTRIES(".short 1, 0, 0, 2\\n.byte 0"), test_refused);
    g_test_add_data_func("/unwind-table/long-entries", CODE PLACES(".long x - .") ENTRIES(".short 1, 0, 0, 0, 0"), test_refused);
    g_test_add_data_func("/unwind-table/no-entries", CODE PLACES(".long x - .") ENTRIES(""), test_refused);
    return g_test_run();
}
