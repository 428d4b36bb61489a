/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/btf.h"

#include <string.h>

#include "tests/introspect/btf-writer.h"

static IntroBtf *
finish(const BtfWriter *writer, GError **error)
{
    g_autoptr(GBytes) section = btf_writer_finish(writer);

    return intro_btf_new(section, error);
}

static IntroBtf *
finish_good(const BtfWriter *writer)
{
    g_autoptr(GError) error = NULL;
    IntroBtf *btf = finish(writer, &error);

    g_assert_no_error(error);
    return btf;
}

static void
assert_member(const IntroBtf *btf, const char *type, const char *name, guint32 offset, guint32 size, guint32 n)
{
    g_autoptr(GError) error = NULL;
    IntroMember member = { 0 };

    intro_btf_member(btf, type, name, &member, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(member.offset_bits, ==, offset);
    g_assert_cmpuint(member.size_bits, ==, size);
    g_assert_cmpuint(member.n_elements, ==, n);
}

static void
assert_no_member(const IntroBtf *btf, const char *type, const char *name)
{
    g_autoptr(GError) error = NULL;
    IntroMember member;

    g_assert_false(intro_btf_member(btf, type, name, &member, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND);
    g_assert_false(intro_btf_has_member(btf, type, name));
}

static void
test_plain_members(void)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    guint32 integer = btf_writer_int(writer, "int", 4), character = btf_writer_int(writer, "char", 1);
    guint32 pointer = btf_writer_type(writer, BTF_PTR, NULL, 0, FALSE, 0);
    guint32 text = btf_writer_array(writer, character, 16), table = btf_writer_array(writer, text, 3);
    const BtfWriterMember members[] = {
        { "pid", integer, 0 }, { "next", pointer, 64 }, { "comm", text, 128 }, { "names", table, 256 },
    };
    g_autoptr(IntroBtf) btf = NULL;
    gsize value;

    btf_writer_composite(writer, BTF_STRUCT, "task", 80, FALSE, members, G_N_ELEMENTS(members));
    btf = finish_good(writer);
    assert_member(btf, "task", "pid", 0, 32, 1);
    assert_member(btf, "task", "next", 64, 64, 1);
    assert_member(btf, "task", "comm", 128, 8, 16);
    assert_member(btf, "task", "names", 256, 8, 48);
    assert_no_member(btf, "task", "ppid");
    assert_no_member(btf, "task", "next.pid");
    assert_no_member(btf, "task", "");
    assert_no_member(btf, "tusk", "pid");
    g_assert_true(intro_btf_offset(btf, "task", "comm", &value, NULL));
    g_assert_cmpuint(value, ==, 16);
    g_assert_true(intro_btf_size(btf, "task", &value, NULL));
    g_assert_cmpuint(value, ==, 80);
    g_assert_false(intro_btf_size(btf, "tusk", &value, NULL));
}

static void
test_nested_members(void)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    guint32 word = btf_writer_int(writer, "long", 8);
    const BtfWriterMember list[] = { { "next", word, 0 }, { "prev", word, 64 } };
    guint32 list_id = btf_writer_composite(writer, BTF_STRUCT, "list_head", 16, FALSE, list, 2);
    const BtfWriterMember either[] = { { "flags", word, 0 }, { "count", word, 0 } };
    guint32 either_id = btf_writer_composite(writer, BTF_UNION, NULL, 8, FALSE, either, 2);
    const BtfWriterMember inner[] = { { NULL, either_id, 0 }, { "links", list_id, 64 } };
    guint32 inner_id = btf_writer_composite(writer, BTF_STRUCT, NULL, 24, FALSE, inner, 2);
    const BtfWriterMember outer[] = { { "first", word, 0 }, { NULL, inner_id, 64 } };
    g_autoptr(IntroBtf) btf = NULL;

    btf_writer_composite(writer, BTF_STRUCT, "page", 32, FALSE, outer, 2);
    btf = finish_good(writer);
    assert_member(btf, "page", "count", 64, 64, 1);
    assert_member(btf, "page", "links.prev", 192, 64, 1);
    assert_no_member(btf, "page", "links.prev.next");
    assert_no_member(btf, "page", "prev");
}

static void
test_aliases(void)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    guint32 integer = btf_writer_int(writer, "int", 4);
    const BtfWriterMember counter[] = { { "counter", integer, 0 } };
    guint32 id = btf_writer_composite(writer, BTF_STRUCT, NULL, 4, FALSE, counter, 1);
    static const guint kinds[] = { BTF_TYPEDEF, BTF_CONST, BTF_VOLATILE, BTF_RESTRICT, BTF_TYPE_TAG };
    g_autoptr(IntroBtf) btf = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
        id = btf_writer_type(writer, kinds[i], "alias", 0, FALSE, id);
    {
        const BtfWriterMember members[] = { { "refs", id, 32 } };

        btf_writer_composite(writer, BTF_STRUCT, "object", 8, FALSE, members, 1);
    }
    btf = finish_good(writer);
    assert_member(btf, "object", "refs.counter", 32, 32, 1);
    assert_member(btf, "object", "refs", 32, 32, 1);
}

static void
test_bit_fields(void)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    guint32 integer = btf_writer_int(writer, "unsigned int", 4), old;
    const BtfWriterMember members[] = {
        { "offset", integer, 0 }, { "sp_reg", integer, 4u << 24 | 32 }, { "end", integer, 1u << 24 | 42 },
    };
    g_autoptr(IntroBtf) btf = NULL;
    g_autoptr(GError) error = NULL;
    gsize offset;

    btf_writer_composite(writer, BTF_STRUCT, "orc_entry", 8, TRUE, members, G_N_ELEMENTS(members));
    old = btf_writer_type(writer, BTF_INT, "unsigned int", 0, FALSE, 4);
    btf_writer_u32(writer, 3u << 16 | 2);
    {
        const BtfWriterMember old_members[] = { { "bits", old, 32 } };

        btf_writer_composite(writer, BTF_STRUCT, "old", 8, FALSE, old_members, 1);
    }
    btf = finish_good(writer);
    assert_member(btf, "orc_entry", "offset", 0, 32, 1);
    assert_member(btf, "orc_entry", "sp_reg", 32, 4, 1);
    assert_member(btf, "orc_entry", "end", 42, 1, 1);
    assert_member(btf, "old", "bits", 35, 2, 1);
    g_assert_false(intro_btf_offset(btf, "orc_entry", "end", &offset, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED);
}

static void
test_same_name_twice(void)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    guint32 word = btf_writer_int(writer, "long", 8);
    const BtfWriterMember first[] = { { "a", word, 0 }, { "b", word, 64 } }, second[] = { { "c", word, 128 } };
    g_autoptr(IntroBtf) btf = NULL;

    btf_writer_composite(writer, BTF_STRUCT, "worker", 16, FALSE, first, 2);
    btf_writer_composite(writer, BTF_STRUCT, "worker", 24, FALSE, second, 1);
    btf = finish_good(writer);
    assert_member(btf, "worker", "b", 64, 64, 1);
    assert_member(btf, "worker", "c", 128, 64, 1);
}

static void
test_enumerators(void)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    g_autoptr(IntroBtf) btf = NULL;
    gint64 value;

    btf_writer_type(writer, BTF_ENUM, "state", 2, TRUE, 4);
    btf_writer_u32(writer, btf_writer_string(writer, "BROKEN"));
    btf_writer_u32(writer, (guint32) -1);
    btf_writer_u32(writer, btf_writer_string(writer, "RUNNING"));
    btf_writer_u32(writer, 2);
    btf_writer_type(writer, BTF_ENUM, "flags", 1, FALSE, 4);
    btf_writer_u32(writer, btf_writer_string(writer, "TOP_BIT"));
    btf_writer_u32(writer, 0x80000000);
    btf_writer_type(writer, BTF_ENUM64, "large", 1, FALSE, 8);
    btf_writer_u32(writer, btf_writer_string(writer, "LARGE"));
    btf_writer_u32(writer, 7);
    btf_writer_u32(writer, 1);
    btf = finish_good(writer);
    g_assert_true(intro_btf_enumerator(btf, "RUNNING", &value, NULL));
    g_assert_cmpint(value, ==, 2);
    g_assert_true(intro_btf_enumerator(btf, "BROKEN", &value, NULL));
    g_assert_cmpint(value, ==, -1);
    g_assert_true(intro_btf_enumerator(btf, "TOP_BIT", &value, NULL));
    g_assert_cmpint(value, ==, 0x80000000);
    g_assert_true(intro_btf_enumerator(btf, "LARGE", &value, NULL));
    g_assert_cmpint(value, ==, 0x100000007);
    g_assert_false(intro_btf_enumerator(btf, "LARG", &value, NULL));
}

/* Each kind takes up the room it says, or nothing behind it would be found. */
static void
test_all_kinds(void)
{
    static const struct {
        guint kind, n_items, words;
    } kinds[] = {
        { BTF_INT, 0, 1 }, { BTF_PTR, 0, 0 }, { BTF_ARRAY, 0, 3 }, { BTF_STRUCT, 2, 6 }, { BTF_UNION, 1, 3 },
        { BTF_ENUM, 3, 6 }, { BTF_FWD, 0, 0 }, { BTF_TYPEDEF, 0, 0 }, { BTF_VOLATILE, 0, 0 }, { BTF_CONST, 0, 0 },
        { BTF_RESTRICT, 0, 0 }, { BTF_FUNC, 2, 0 }, { BTF_FUNC_PROTO, 2, 4 }, { BTF_VAR, 0, 1 }, { BTF_DATASEC, 2, 6 },
        { BTF_FLOAT, 0, 0 }, { BTF_DECL_TAG, 0, 1 }, { BTF_TYPE_TAG, 0, 0 }, { BTF_ENUM64, 2, 6 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(BtfWriter) writer = btf_writer_new();
        g_autoptr(IntroBtf) btf = NULL;
        guint32 word = btf_writer_int(writer, "long", 8);
        const BtfWriterMember members[] = { { "found", word, 64 } };

        btf_writer_type(writer, kinds[i].kind, NULL, kinds[i].n_items, FALSE, 0);
        for (guint n = 0; n < kinds[i].words; n++)
            btf_writer_u32(writer, 0);
        btf_writer_composite(writer, BTF_STRUCT, "last", 16, FALSE, members, 1);
        btf = finish_good(writer);
        assert_member(btf, "last", "found", 64, 64, 1);
    }
}

static void
test_unknown_kind(void)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    g_autoptr(GError) error = NULL;

    btf_writer_type(writer, 21, NULL, 0, FALSE, 0);
    g_assert_null(finish(writer, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "kind 21"));
}

/* Whatever is cut off, it is an error and no crash. */
static void
test_truncated(void)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    guint32 word = btf_writer_int(writer, "long", 8);
    const BtfWriterMember members[] = { { "found", word, 64 } };
    g_autoptr(GBytes) section = NULL;

    btf_writer_composite(writer, BTF_STRUCT, "last", 16, FALSE, members, 1);
    section = btf_writer_finish(writer);
    for (gsize length = 0; length < g_bytes_get_size(section); length++) {
        g_autoptr(GBytes) part = g_bytes_new_from_bytes(section, 0, length);
        g_autoptr(GError) error = NULL;

        g_assert_null(intro_btf_new(part, &error));
        g_assert_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT);
    }
}

/* Types that contain or stand for themselves, ids and strings that are not there, members behind the end. */
static void
test_hostile(void)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    const BtfWriterMember own[] = { { NULL, 1, 0 }, { NULL, 1, 0 } }, wild[] = { { "x", 0xfffffff0, 0 } };
    const BtfWriterMember loops[] = { { "x", 3, 0 }, { "y", 4, 0 } }, far_away[] = { { "x", 6, 0x7fffffff } };
    g_autoptr(IntroBtf) btf = NULL;

    btf_writer_composite(writer, BTF_STRUCT, "own", 8, FALSE, own, 2);
    btf_writer_composite(writer, BTF_STRUCT, "wild", 8, FALSE, wild, 1);
    btf_writer_type(writer, BTF_TYPEDEF, "loop", 0, FALSE, 3);
    btf_writer_array(writer, 4, 1000);
    btf_writer_composite(writer, BTF_STRUCT, "loops", 8, FALSE, loops, 2);
    btf_writer_int(writer, "long", 8);
    btf_writer_composite(writer, BTF_STRUCT, "far", 8, FALSE, far_away, 1);
    btf_writer_type(writer, BTF_STRUCT, "nameless", 1, FALSE, 8);
    btf_writer_u32(writer, 0x7fffffff);
    btf_writer_u32(writer, 6);
    btf_writer_u32(writer, 0);
    btf = finish_good(writer);
    assert_no_member(btf, "own", "x");
    assert_no_member(btf, "wild", "x");
    assert_no_member(btf, "loops", "x");
    assert_no_member(btf, "loops", "y");
    assert_no_member(btf, "far", "x");
    assert_no_member(btf, "nameless", "x");
}

/* Structs of one name, and names of a megabyte, as many as there may be: whatever is asked is answered, and soon. */
static void
test_many_namesakes(void)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    g_autofree char *long_name = g_strnfill(1 << 20, 'x');
    guint32 word = btf_writer_int(writer, "long", 8), same = btf_writer_string(writer, "same");
    guint32 at = btf_writer_string(writer, long_name);
    const BtfWriterMember members[] = { { "last", word, 0 } };
    g_autoptr(IntroBtf) btf = NULL;

    btf_writer_composite(writer, BTF_STRUCT, "first", 8, FALSE, members, 1);
    for (guint i = 0; i < 400000; i++) {
        btf_writer_u32(writer, i % 2 == 0 ? same : at + i);
        btf_writer_u32(writer, (guint32) BTF_STRUCT << 24);
        btf_writer_u32(writer, 8);
    }
    btf = finish_good(writer);
    assert_member(btf, "first", "last", 0, 64, 1);
    for (guint i = 0; i < 50; i++) {
        assert_no_member(btf, "same", "last");
        assert_no_member(btf, long_name + (1 << 20) - 100, "last");
    }
}

static void
test_strings_without_end(void)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    g_autoptr(GBytes) section = NULL, shorter = NULL;
    g_autofree guint8 *bytes = NULL;
    g_autoptr(GError) error = NULL;
    gsize length;

    btf_writer_int(writer, "long", 8);
    section = btf_writer_finish(writer);
    bytes = g_memdup2(g_bytes_get_data(section, &length), g_bytes_get_size(section));
    bytes[length - 1] = 'x';
    shorter = g_bytes_new_static(bytes, length);
    g_assert_null(intro_btf_new(shorter, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/btf/plain-members", test_plain_members);
    g_test_add_func("/btf/nested-members", test_nested_members);
    g_test_add_func("/btf/aliases", test_aliases);
    g_test_add_func("/btf/bit-fields", test_bit_fields);
    g_test_add_func("/btf/same-name-twice", test_same_name_twice);
    g_test_add_func("/btf/enumerators", test_enumerators);
    g_test_add_func("/btf/all-kinds", test_all_kinds);
    g_test_add_func("/btf/unknown-kind", test_unknown_kind);
    g_test_add_func("/btf/truncated", test_truncated);
    g_test_add_func("/btf/hostile", test_hostile);
    g_test_add_func("/btf/many-namesakes", test_many_namesakes);
    g_test_add_func("/btf/strings-without-end", test_strings_without_end);
    return g_test_run();
}
