/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/orc.h"

#include "tests/introspect/btf-writer.h"

#define TEXT    0xffffffff81000000ULL
#define TABLE   0xffffffff82000000ULL

static IntroBtf *
make_btf(const BtfWriterMember *fields, guint n_fields, guint32 size_bytes)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    g_autoptr(GBytes) section = NULL;
    g_autoptr(GError) error = NULL;
    IntroBtf *btf;

    btf_writer_int(writer, "short", 2);
    btf_writer_int(writer, "unsigned int", 4);
    btf_writer_composite(writer, BTF_STRUCT, "orc_entry", size_bytes, TRUE, fields, n_fields);
    section = btf_writer_finish(writer);
    btf = intro_btf_new(section, &error);
    g_assert_no_error(error);
    return btf;
}

#define FIELD(name, bits, at) { name, 2, (bits) << 24 | (at) }

/* Linux 6.1: four types, and a bit for the end. */
static IntroOrcLayout
layout_with_end(void)
{
    const BtfWriterMember fields[] = {
        { "sp_offset", 1, 0 }, { "bp_offset", 1, 16 }, FIELD("sp_reg", 4u, 32), FIELD("bp_reg", 4u, 36),
        FIELD("type", 2u, 40), FIELD("end", 1u, 42),
    };
    g_autoptr(IntroBtf) btf = make_btf(fields, G_N_ELEMENTS(fields), 6);
    g_autoptr(GError) error = NULL;
    IntroOrcLayout layout;

    intro_orc_layout(btf, &layout, &error);
    g_assert_no_error(error);
    return layout;
}

/* Linux 6.4: five types, and a bit for signal frames. */
static IntroOrcLayout
layout_with_signal(void)
{
    const BtfWriterMember fields[] = {
        { "sp_offset", 1, 0 }, { "bp_offset", 1, 16 }, FIELD("sp_reg", 4u, 32), FIELD("bp_reg", 4u, 36),
        FIELD("type", 3u, 40), FIELD("signal", 1u, 43),
    };
    g_autoptr(IntroBtf) btf = make_btf(fields, G_N_ELEMENTS(fields), 6);
    g_autoptr(GError) error = NULL;
    IntroOrcLayout layout;

    intro_orc_layout(btf, &layout, &error);
    g_assert_no_error(error);
    return layout;
}

static void
assert_entry(const IntroOrcEntry *entry, IntroOrcType type, gint sp_register, gint sp_offset, gint bp_register,
             gint bp_offset, gboolean signal)
{
    g_assert_cmpint(entry->type, ==, type);
    g_assert_cmpint(entry->sp_register, ==, sp_register);
    g_assert_cmpint(entry->sp_offset, ==, sp_offset);
    g_assert_cmpint(entry->bp_register, ==, bp_register);
    g_assert_cmpint(entry->bp_offset, ==, bp_offset);
    g_assert_cmpint(entry->signal, ==, signal);
}

static void
test_decode_with_end(void)
{
    const IntroOrcLayout layout = layout_with_end();
    static const guint8 call[] = { 0x10, 0x00, 0xf0, 0xff, 0x15, 0x00 }, regs[] = { 0x08, 0x00, 0, 0, 0x05, 0x01 };
    static const guint8 partial[] = { 0xf8, 0xff, 0, 0, 0x05, 0x02 }, end[] = { 0, 0, 0, 0, 0x00, 0x04 };
    static const guint8 undefined[] = { 0, 0, 0, 0, 0x00, 0x00 }, wrong[] = { 0, 0, 0, 0, 0x05, 0x03 };
    IntroOrcEntry entry;

    entry = intro_orc_decode(&layout, call);
    assert_entry(&entry, INTRO_ORC_CALL, INTRO_ORC_REG_SP, 16, INTRO_ORC_REG_PREV_SP, -16, FALSE);
    entry = intro_orc_decode(&layout, regs);
    assert_entry(&entry, INTRO_ORC_REGS, INTRO_ORC_REG_SP, 8, INTRO_ORC_REG_UNDEFINED, 0, TRUE);
    entry = intro_orc_decode(&layout, partial);
    assert_entry(&entry, INTRO_ORC_REGS_PARTIAL, INTRO_ORC_REG_SP, -8, INTRO_ORC_REG_UNDEFINED, 0, TRUE);
    entry = intro_orc_decode(&layout, end);
    g_assert_cmpint(entry.type, ==, INTRO_ORC_END_OF_STACK);
    entry = intro_orc_decode(&layout, undefined);
    g_assert_cmpint(entry.type, ==, INTRO_ORC_UNDEFINED);
    entry = intro_orc_decode(&layout, wrong);
    g_assert_cmpint(entry.type, ==, INTRO_ORC_UNDEFINED);
}

static void
test_decode_with_signal(void)
{
    const IntroOrcLayout layout = layout_with_signal();
    static const IntroOrcType types[] = {
        INTRO_ORC_UNDEFINED, INTRO_ORC_END_OF_STACK, INTRO_ORC_CALL, INTRO_ORC_REGS, INTRO_ORC_REGS_PARTIAL,
        INTRO_ORC_UNDEFINED, INTRO_ORC_UNDEFINED, INTRO_ORC_UNDEFINED,
    };

    for (guint type = 0; type < G_N_ELEMENTS(types); type++) {
        const guint8 plain[] = { 8, 0, 0, 0, 0x05, type }, signal[] = { 8, 0, 0, 0, 0x05, type | 8 };
        IntroOrcEntry entry = intro_orc_decode(&layout, plain);

        assert_entry(&entry, types[type], INTRO_ORC_REG_SP, 8, INTRO_ORC_REG_UNDEFINED, 0, FALSE);
        entry = intro_orc_decode(&layout, signal);
        g_assert_true(entry.signal);
    }
}

/* The same bits, before and after the registers were renumbered. */
static void
test_register_numbers(void)
{
    static const guint8 old_function[] = { 8, 0, 0, 0, 0x05, 0x02 }, new_function[] = { 8, 0, 0, 0, 0x03, 0x02 };
    static const guint8 no_function[] = { 16, 0, 0, 0, 0x05, 0x02 }, saved[] = { 16, 0, 0xf0, 0xff, 0x83, 0x02 };
    IntroOrcLayout layout = layout_with_signal();
    g_autoptr(GError) error = NULL;
    IntroOrcEntry entry;

    g_assert_true(intro_orc_use_entry_of_function(&layout, old_function, NULL));
    entry = intro_orc_decode(&layout, old_function);
    assert_entry(&entry, INTRO_ORC_CALL, INTRO_ORC_REG_SP, 8, INTRO_ORC_REG_UNDEFINED, 0, FALSE);
    g_assert_true(intro_orc_use_entry_of_function(&layout, new_function, NULL));
    entry = intro_orc_decode(&layout, saved);
    assert_entry(&entry, INTRO_ORC_CALL, INTRO_ORC_REG_SP, 16, INTRO_ORC_REG_PREV_SP, -16, FALSE);
    g_assert_false(intro_orc_use_entry_of_function(&layout, no_function, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED);
}

static void
test_strange_layout(void)
{
    const BtfWriterMember fields[] = {
        { "sp_offset", 1, 0 }, { "bp_offset", 1, 16 }, FIELD("sp_reg", 4u, 32), FIELD("bp_reg", 4u, 36),
        FIELD("type", 3u, 47),
    };
    g_autoptr(IntroBtf) whole = make_btf(fields, G_N_ELEMENTS(fields), 6);
    g_autoptr(IntroBtf) short_of_one = make_btf(fields, G_N_ELEMENTS(fields) - 1, 6);
    g_autoptr(GError) error = NULL;
    IntroOrcLayout layout;

    g_assert_false(intro_orc_layout(whole, &layout, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    g_assert_false(intro_orc_layout(short_of_one, &layout, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND);
}

/* Entry I is for the addresses from IPS[I] on, and has the stack pointer offset 8 * (I + 1). */
static IntroOrcTable
make_table(const GuestVa *ips, guint32 n)
{
    g_autoptr(GByteArray) offsets = g_byte_array_new(), entries = g_byte_array_new();

    for (guint32 i = 0; i < n; i++) {
        gint32 offset = GINT32_TO_LE((gint32) (ips[i] - (TABLE + i * 4)));
        const guint8 entry[] = { 8 * (i + 1), 0, 0, 0, 0x05, 0x00 };

        g_byte_array_append(offsets, (const guint8 *) &offset, sizeof(offset));
        g_byte_array_append(entries, entry, sizeof(entry));
    }
    return (IntroOrcTable) {
        .start = TEXT, .end = TEXT + 0x1000, .offsets_va = TABLE, .n = n,
        .offsets = g_bytes_new(offsets->data, offsets->len), .entries = g_bytes_new(entries->data, entries->len),
    };
}

static gint
find_index(const IntroOrcTable *table, GuestVa ip)
{
    const IntroOrcLayout layout = layout_with_end();
    IntroOrcEntry entry;

    return intro_orc_table_find(table, &layout, ip, &entry) ? entry.sp_offset / 8 - 1 : -1;
}

static void
test_find(void)
{
    static const GuestVa ips[] = { TEXT + 0x10, TEXT + 0x20, TEXT + 0x20, TEXT + 0x20, TEXT + 0x40 };
    IntroOrcTable table = make_table(ips, G_N_ELEMENTS(ips));

    g_assert_cmpint(find_index(&table, TEXT), ==, 0);
    g_assert_cmpint(find_index(&table, TEXT + 0x10), ==, 0);
    g_assert_cmpint(find_index(&table, TEXT + 0x1f), ==, 0);
    g_assert_cmpint(find_index(&table, TEXT + 0x20), ==, 3);
    g_assert_cmpint(find_index(&table, TEXT + 0x3f), ==, 3);
    g_assert_cmpint(find_index(&table, TEXT + 0x40), ==, 4);
    g_assert_cmpint(find_index(&table, TEXT + 0xfff), ==, 4);
    intro_orc_table_clear(&table);
}

/* A table that is shorter than it says is not searched. */
static void
test_find_in_short_table(void)
{
    static const GuestVa ips[] = { TEXT + 0x10, TEXT + 0x20 };
    IntroOrcTable table = make_table(ips, G_N_ELEMENTS(ips));

    table.n = 3;
    g_assert_cmpint(find_index(&table, TEXT + 0x10), ==, -1);
    table.n = 0;
    g_assert_cmpint(find_index(&table, TEXT + 0x10), ==, -1);
    intro_orc_table_clear(&table);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/orc/decode-with-end", test_decode_with_end);
    g_test_add_func("/orc/decode-with-signal", test_decode_with_signal);
    g_test_add_func("/orc/register-numbers", test_register_numbers);
    g_test_add_func("/orc/strange-layout", test_strange_layout);
    g_test_add_func("/orc/find", test_find);
    g_test_add_func("/orc/find-in-short-table", test_find_in_short_table);
    return g_test_run();
}
